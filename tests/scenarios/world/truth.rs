//! Whether ECR matches an object, by a reading of both that is not the operator's.

use std::collections::BTreeSet;

use ecr_emulator::Repository;
use ecr_operator::api::ECRRepository;
use serde_json::{Value, json};

/// All in which the repository is not as the object asks.
pub(crate) fn differences(object: &ECRRepository, repository: &Repository) -> Vec<String> {
    let spec = serde_json::to_value(&object.spec).unwrap();
    let mut differences = Vec::new();
    let mut compare = |what: &str, wanted: Value, held: Value| {
        if wanted != held {
            differences.push(format!("{what}: wanted {wanted}, ECR holds {held}"));
        }
    };
    if let Some(mode) = spec.get("imageTagMutability") {
        compare(
            "mutability",
            mode.clone(),
            json!(repository.image_tag_mutability),
        );
        let filters = spec
            .get("imageTagMutabilityExclusionFilters")
            .and_then(Value::as_array);
        let wanted: BTreeSet<_> = filters
            .into_iter()
            .flatten()
            .map(|f| f["filter"].clone().to_string())
            .collect();
        let held: BTreeSet<_> = repository
            .exclusion_filters
            .iter()
            .map(|f| json!(f).to_string())
            .collect();
        compare("filters", json!(wanted), json!(held));
    }
    if let Some(scanning) = spec.get("imageScanningConfiguration") {
        let wanted = scanning.get("scanOnPush").cloned().unwrap_or(json!(false));
        compare("scanning", wanted, json!(repository.scan_on_push));
    }
    if let Some(encryption) = spec.get("encryptionConfiguration") {
        compare(
            "encryption",
            encryption["encryptionType"].clone(),
            json!(repository.encryption_type),
        );
    }
    if let Some(policy) = spec.get("lifecyclePolicy") {
        let held = repository.lifecycle_policy.as_deref().map(parse);
        compare(
            "lifecycle",
            rules(policy),
            held.as_ref().map_or(json!([]), rules),
        );
    }
    if spec.get("repositoryPolicy").is_some() || spec.get("access").is_some() {
        let mut held = repository.policy.as_deref().map(parse);
        if let Some(held) = &mut held {
            without_kept(held, &spec);
        }
        compare(
            "policy",
            wanted_statements(&spec, &repository.registry_id),
            held.as_ref().map_or(json!([]), statements),
        );
    }
    let keys = object
        .status
        .as_ref()
        .map(|s| s.tag_keys.clone())
        .unwrap_or_default();
    let wanted = object.spec.tags.clone().unwrap_or_default();
    compare(
        "tag keys",
        json!(keys),
        json!(wanted.keys().collect::<Vec<_>>()),
    );
    for (key, value) in wanted {
        compare(&key, json!(value), json!(repository.tags.get(&key)));
    }
    differences
}

/// Leaves out the statements of others that stay: those whose Sids are named, to the letter or by how they begin.
fn without_kept(policy: &mut Value, spec: &Value) {
    let named = spec["keepStatements"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let named: Vec<_> = named.iter().filter_map(Value::as_str).collect();
    let is_named = |sid: &str| {
        let mut named = named.iter();
        named.any(|it| match it.strip_suffix('*') {
            Some(beginning) => sid.starts_with(beginning),
            None => *it == sid,
        })
    };
    if let Some(statements) = policy["Statement"].as_array_mut() {
        statements.retain(|it| !it["Sid"].as_str().is_some_and(is_named));
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Lifecycle rules by priority, their lists in order, their defaults left out.
fn rules(policy: &Value) -> Value {
    let mut rules = policy["rules"].as_array().cloned().unwrap_or_default();
    for (index, rule) in rules.iter_mut().enumerate() {
        let rule = rule.as_object_mut().unwrap();
        rule.entry("rulePriority").or_insert(json!(index + 1));
        let selection = rule["selection"].as_object_mut().unwrap();
        selection.retain(|key, value| !(key == "storageClass" && value == "standard"));
        for list in ["tagPatternList", "tagPrefixList"] {
            if let Some(list) = selection.get_mut(list) {
                *list = sorted(list.as_array().unwrap().clone());
            }
        }
    }
    rules.sort_by_key(|rule| rule["rulePriority"].as_i64());
    json!(rules)
}

fn sorted(mut values: Vec<Value>) -> Value {
    values.sort_by_key(Value::to_string);
    values.dedup();
    json!(values)
}

const PULL: [&str; 3] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
];
const PUSH: [&str; 4] = [
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
];

/// The user's statements and those that `access` stands for, in a repository of this account.
fn wanted_statements(spec: &Value, account: &str) -> Value {
    let policy = spec.get("repositoryPolicy").cloned().unwrap_or_default();
    let mut all = match policy.get("Statement").cloned().unwrap_or(json!([])) {
        Value::Array(statements) => statements,
        one => vec![one],
    };
    for (kind, sid, actions) in [
        ("pull", "EcrOperatorPull", PULL.to_vec()),
        (
            "push",
            "EcrOperatorPush",
            [PULL.as_slice(), PUSH.as_slice()].concat(),
        ),
    ] {
        let who = spec.pointer(&format!("/access/{kind}"));
        let who = who.and_then(Value::as_array).cloned().unwrap_or_default();
        let (services, others): (Vec<_>, Vec<_>) = who
            .into_iter()
            .partition(|w| w.as_str().is_some_and(|w| w.ends_with(".amazonaws.com")));
        if !others.is_empty() {
            let who = json!({"AWS": others});
            all.push(json!({"Sid": sid, "Effect": "Allow", "Principal": who, "Action": &actions}));
        }
        if !services.is_empty() {
            all.push(json!({
                "Sid": format!("{sid}Services"),
                "Effect": "Allow",
                "Principal": {"Service": services},
                "Action": actions,
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }));
        }
    }
    statements(&json!({"Statement": all}))
}

/// Statements with every scalar as a list, every list in order, principals' account ids as root ARNs.
fn statements(policy: &Value) -> Value {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.clone(),
        one => vec![one.clone()],
    };
    sorted(statements.iter().map(|it| normal(it, word)).collect())
}

fn normal(value: &Value, word: fn(&Value) -> Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match (key.as_str(), value.as_str()) {
                // Two ways to say everybody (IAM User Guide, "Principal": "All principals").
                ("Principal", Some("*")) => (key.clone(), json!({"AWS": ["*"]})),
                ("Principal", _) => (key.clone(), normal(value, principal)),
                _ => (key.clone(), normal(value, word)),
            })
            .collect(),
        Value::Array(values) => sorted(values.iter().map(word).collect()),
        scalar => json!([word(scalar)]),
    }
}

fn principal(value: &Value) -> Value {
    match value.as_str() {
        Some(id) if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) => {
            json!(format!("arn:aws:iam::{id}:root"))
        }
        _ => word(value),
    }
}

fn word(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => json!(text),
        None => json!(value.to_string()),
    }
}
