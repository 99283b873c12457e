//! Every bound of a field in spec: what is at it is accepted, what is past it is refused at that field.

use std::sync::Arc;

use ecr_operator::api::{Aspect, ECRRepository};
use kube::CustomResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::schema::Field;
use crate::server::{Server, object, refusal};

/// A bound, and a spec that is right but for how much there is of one field.
struct Bound {
    path: String,
    keyword: &'static str,
    most: i64,
}

const KEYWORDS: [&str; 7] = [
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "minimum",
    "maximum",
];

/// All of them, as the schema has them.
fn bounds() -> Vec<Bound> {
    let mut bounds = Vec::new();
    for field in Field::all(&ECRRepository::crd()) {
        if field.path.starts_with("spec") {
            collect(&field.path, &field.schema, &mut bounds);
        }
    }
    bounds
}

fn collect(path: &str, schema: &Value, bounds: &mut Vec<Bound>) {
    for keyword in KEYWORDS {
        if let Some(most) = schema[keyword].as_i64() {
            let path = path.to_owned();
            bounds.push(Bound {
                path,
                keyword,
                most,
            });
        }
    }
    for (inner, sign) in [("items", "[]"), ("additionalProperties", "{}")] {
        if !schema[inner].is_null() && schema[inner]["properties"].is_null() {
            collect(&format!("{path}{sign}"), &schema[inner], bounds);
        }
    }
}

fn words(count: i64) -> Vec<String> {
    (0..count).map(|n| format!("word-{n}")).collect()
}

fn text(length: i64) -> String {
    "a".repeat(usize::try_from(length).unwrap())
}

fn arn(length: i64) -> String {
    if length < 2 {
        return text(length);
    }
    let start = "arn:aws:iam::111122223333:role/";
    format!(
        "{start}{}",
        text((length - i64::try_from(start.len()).unwrap()).max(0))
    )
}

fn rule(change: impl FnOnce(&mut Value)) -> Value {
    let mut rule = json!({
        "rulePriority": 1,
        "selection": {"tagStatus": "tagged", "tagPatternList": ["a"], "countType": "imageCountMoreThan", "countNumber": 1},
        "action": {"type": "expire"},
    });
    change(&mut rule);
    json!({"lifecyclePolicy": {"rules": [rule]}})
}

fn tagged(list: &str, tags: &Value) -> Value {
    rule(|rule| {
        let selection = rule["selection"].as_object_mut().unwrap();
        selection.remove("tagPatternList");
        selection.insert(list.to_owned(), tags.clone());
    })
}

fn filters(filters: &[String]) -> Value {
    let filter = |it: &String| json!({"filterType": "WILDCARD", "filter": it});
    json!({
        "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters.iter().map(filter).collect::<Vec<_>>(),
    })
}

/// A policy with so much of something below `Statement`, where the lists and maps on the way have one entry.
fn statement(below: &str, keyword: &str, much: i64) -> Value {
    let entries = words(much).into_iter();
    let mut value = match keyword {
        "maxLength" => json!(text(much)),
        "maxItems" => entries.collect(),
        _ => entries.map(|key| (key, json!(1))).collect(),
    };
    let mut signs: Vec<_> = below.chars().filter(|it| "[{".contains(*it)).collect();
    while let Some(sign) = signs.pop() {
        value = if sign == '[' {
            json!([value])
        } else {
            json!({"Key": value})
        };
    }
    json!({"repositoryPolicy": {"Statement": value}})
}

/// A spec with so much of the field; `None` where this table does not know it.
fn spec(path: &str, keyword: &str, much: i64) -> Option<Value> {
    if let Some(below) = path.strip_prefix("spec.repositoryPolicy.Statement") {
        return Some(statement(below, keyword, much));
    }
    Some(match path {
        "spec.className" => json!({"className": text(much)}),
        "spec.unmanaged" => {
            let aspects = Aspect::ALL.iter().cycle().map(|it| it.as_str());
            let much = usize::try_from(much).unwrap();
            json!({"unmanaged": aspects.take(much).collect::<Vec<_>>()})
        }
        "spec.repositoryName" => json!({"repositoryName": text(much)}),
        "spec.keepStatements" => json!({"keepStatements": words(much)}),
        "spec.keepStatements[]" => json!({"keepStatements": [text(much)]}),
        "spec.imageTagMutabilityExclusionFilters" => filters(&words(much)),
        "spec.imageTagMutabilityExclusionFilters[].filter" => filters(&[text(much)]),
        "spec.encryptionConfiguration.kmsKey" => {
            json!({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": text(much)}})
        }
        "spec.lifecyclePolicy.rules" => {
            let rules = (1..=much).map(|n| rule(|r| r["rulePriority"] = json!(n)));
            let rules: Vec<_> = rules
                .map(|r| r["lifecyclePolicy"]["rules"][0].clone())
                .collect();
            json!({"lifecyclePolicy": {"rules": rules}})
        }
        "spec.lifecyclePolicy.rules[].rulePriority" => rule(|r| r["rulePriority"] = json!(much)),
        "spec.lifecyclePolicy.rules[].description" => {
            rule(|r| r["description"] = json!(text(much)))
        }
        "spec.lifecyclePolicy.rules[].selection.countNumber" => {
            rule(|r| r["selection"]["countNumber"] = json!(much))
        }
        "spec.lifecyclePolicy.rules[].selection.tagPatternList" => {
            tagged("tagPatternList", &json!(words(much)))
        }
        "spec.lifecyclePolicy.rules[].selection.tagPrefixList" => {
            tagged("tagPrefixList", &json!(words(much)))
        }
        "spec.lifecyclePolicy.rules[].selection.tagPatternList[]" => {
            tagged("tagPatternList", &json!([text(much)]))
        }
        "spec.lifecyclePolicy.rules[].selection.tagPrefixList[]" => {
            tagged("tagPrefixList", &json!([text(much)]))
        }
        "spec.repositoryPolicy.Id" => {
            json!({"repositoryPolicy": {"Id": text(much), "Statement": []}})
        }
        "spec.access.pull" => {
            json!({"access": {"pull": vec!["111122223333"; usize::try_from(much).unwrap()]}})
        }
        "spec.access.push" => {
            json!({"access": {"push": vec!["111122223333"; usize::try_from(much).unwrap()]}})
        }
        "spec.access.pull[]" => json!({"access": {"pull": [arn(much)]}}),
        "spec.access.push[]" => json!({"access": {"push": [arn(much)]}}),
        "spec.tags" => {
            json!({"tags": words(much).into_iter().map(|key| (key, json!("x"))).collect::<serde_json::Map<_, _>>()})
        }
        "spec.tags{}" => json!({"tags": {"a": text(much)}}),
        "spec.adoption.from" => {
            let from = format!("{}/{}/{}", text(63), text(63), text(much - 128));
            json!({"adoption": {"policy": "TakeOver", "from": from}})
        }
        _ => return None,
    })
}

pub(crate) async fn are_held(server: Arc<Server>) {
    let objects = server.objects("bounds").await;
    let dry_run = PostParams {
        dry_run: true,
        field_manager: None,
    };
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for Bound {
        path,
        keyword,
        most,
    } in bounds()
    {
        let past = if keyword.starts_with("min") {
            most - 1
        } else {
            most + 1
        };
        let (Some(at), Some(past)) = (spec(&path, keyword, most), spec(&path, keyword, past))
        else {
            wrong.push(format!(
                "{path} has {keyword}: add it to the table of this test"
            ));
            continue;
        };
        tried += 1;
        let said = refusal(objects.create(&dry_run, &object("at", &at)).await);
        // No principal has but one character: it is refused for what it is.
        let no_word = keyword == "minLength" && path.starts_with("spec.access");
        if !said.is_empty() && !no_word {
            wrong.push(format!(
                "{path}: {most} is {keyword}, and is refused: {said:?}"
            ));
        }
        let said = refusal(objects.create(&dry_run, &object("past", &past)).await);
        let field = path.split(['[', '{']).next().unwrap_or_default();
        if !said.iter().any(|line| line.starts_with(field)) {
            wrong.push(format!(
                "{path}: more than {keyword} {most} is accepted: {said:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried >= 200, "only {tried} bounds");
}
