//! The grammar of lifecycle policies, with ECR's refusals.
//!
//! The document: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>.
//! ECR checks in two steps, and so do we. First a JSON schema, whose complaints are those of a
//! known Java validator ("instance failed to match exactly one schema (matched 0 out of 2)"), one a
//! line. Then what a schema cannot say, in sentences. Where no user has ever quoted the sentence,
//! the comment says that the words are ours.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::Error;

const MAX_RULES: usize = 50;
const MAX_WILDCARDS: usize = 4;
/// Images stay in the archive for at least 90 days.
const MIN_ARCHIVED_DAYS: u64 = 90;

/// Checks a policy and returns it as ECR stores it: compact, the rules by ascending priority.
pub(super) fn canonical(text: &str) -> Result<String, Error> {
    let Ok(Value::Object(document)) = serde_json::from_str(text) else {
        return Err(refusal("Could not map policyString into LifecyclePolicy."));
    };
    let mut complaints = Vec::new();
    check_document(&document, &mut complaints);
    if !complaints.is_empty() {
        return Err(refusal(&format!("{}\n", complaints.join("\n"))));
    }
    let mut rules: Vec<Rule> = array(&document, "rules")
        .iter()
        .filter_map(Rule::read)
        .collect();
    rules
        .iter()
        .try_for_each(check_rule)
        .map_err(|message| refusal(&message))?;
    check_together(&rules).map_err(refusal)?;
    rules.sort_by_key(|rule| rule.priority);
    let rules: Vec<String> = rules.iter().map(Rule::write).collect();
    Ok(format!("{{\"rules\":[{}]}}", rules.join(",")))
}

fn refusal(message: &str) -> Error {
    Error::invalid(
        "LifecyclePolicyText",
        format!("Lifecycle policy validation failure: {message}"),
    )
}

// The first step: the schema.

/// The type of a property, in the words of JSON schema.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Object,
    TextList,
    Enum(&'static [&'static str]),
    /// Judged by the alternatives, which complain for it.
    Any,
}

struct Property {
    name: &'static str,
    required: bool,
    kind: Kind,
}

const fn property(name: &'static str, required: bool, kind: Kind) -> Property {
    Property {
        name,
        required,
        kind,
    }
}

const RULE: &[Property] = &[
    property("rulePriority", true, Kind::Integer),
    property("description", false, Kind::Text),
    property("selection", true, Kind::Object),
    property("action", true, Kind::Object),
];
const SELECTION: &[Property] = &[
    property(
        "tagStatus",
        true,
        Kind::Enum(&["any", "tagged", "untagged"]),
    ),
    property("tagPatternList", false, Kind::TextList),
    property("tagPrefixList", false, Kind::TextList),
    property("storageClass", false, Kind::Any),
    property("countType", true, Kind::Any),
    property("countUnit", false, Kind::Any),
    property("countNumber", true, Kind::Integer),
];
const ACTION: &[Property] = &[
    property("type", true, Kind::Enum(&["expire", "transition"])),
    property("targetStorageClass", false, Kind::Any),
];

fn check_document(document: &Map<String, Value>, complaints: &mut Vec<String>) {
    check_names(document, &[property("rules", true, Kind::Any)], complaints);
    let rules = match document.get("rules") {
        None => return,
        Some(Value::Array(rules)) => rules,
        Some(other) => return complaints.push(wrong_type(other, "array")),
    };
    check_size(rules.len(), MAX_RULES, complaints);
    for rule in rules {
        match rule {
            Value::Object(rule) => check_rule_schema(rule, complaints),
            other => complaints.push(wrong_type(other, "object")),
        }
    }
}

fn check_rule_schema(rule: &Map<String, Value>, complaints: &mut Vec<String>) {
    check_properties(rule, RULE, complaints);
    if let Some(Value::Object(selection)) = rule.get("selection") {
        check_properties(selection, SELECTION, complaints);
        // One alternative for each of the four countTypes.
        if !is_selection(selection) {
            complaints
                .push("instance failed to match exactly one schema (matched 0 out of 4)".into());
        }
    }
    if let Some(Value::Object(action)) = rule.get("action") {
        check_properties(action, ACTION, complaints);
        // One alternative for expire, one for transition.
        if !is_action(action) {
            complaints
                .push("instance failed to match exactly one schema (matched 0 out of 2)".into());
        }
    }
}

/// Whether a selection is one of: a number of images without a unit; days since an image was pushed
/// or pulled, in the standard class; days since it was archived, in the archive.
fn is_selection(selection: &Map<String, Value>) -> bool {
    let days = selection.get("countUnit").and_then(Value::as_str) == Some("days");
    let class = selection.get("storageClass");
    let standard = class.is_none_or(|class| class == "standard");
    match selection.get("countType").and_then(Value::as_str) {
        Some("imageCountMoreThan") => standard && !selection.contains_key("countUnit"),
        Some("sinceImagePushed" | "sinceImagePulled") => standard && days,
        Some("sinceImageTransitioned") => class.is_some_and(|class| class == "archive") && days,
        // Absent: the missing property has been named already.
        None => !selection.contains_key("countType"),
        Some(_) => false,
    }
}

fn is_action(action: &Map<String, Value>) -> bool {
    let target = action.get("targetStorageClass");
    match action.get("type").and_then(Value::as_str) {
        Some("expire") => target.is_none(),
        Some("transition") => target.is_some_and(|class| class == "archive"),
        // An unknown or missing type has been named already.
        _ => true,
    }
}

fn check_properties(
    object: &Map<String, Value>,
    schema: &[Property],
    complaints: &mut Vec<String>,
) {
    check_names(object, schema, complaints);
    for property in schema {
        if let Some(value) = object.get(property.name) {
            check_kind(value, property.kind, complaints);
        }
    }
}

fn check_names(object: &Map<String, Value>, schema: &[Property], complaints: &mut Vec<String>) {
    let mut missing: Vec<&str> = schema
        .iter()
        .filter(|property| property.required && !object.contains_key(property.name))
        .map(|property| property.name)
        .collect();
    missing.sort_unstable();
    if !missing.is_empty() {
        let names = quoted(&missing);
        complaints.push(format!(
            "object has missing required properties ([{names}])"
        ));
    }
    let unknown: Vec<&str> = object
        .keys()
        .map(String::as_str)
        .filter(|key| schema.iter().all(|property| property.name != *key))
        .collect();
    if !unknown.is_empty() {
        let names = quoted(&unknown);
        complaints.push(format!(
            "object instance has properties which are not allowed by the schema: [{names}]"
        ));
    }
}

fn check_kind(value: &Value, kind: Kind, complaints: &mut Vec<String>) {
    match (kind, value) {
        (Kind::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            if number.as_i64().is_some_and(|number| number < 1) {
                complaints.push(format!(
                    "numeric instance is lower than the required minimum (minimum: 1, found: \
                     {number})"
                ));
            }
        }
        (Kind::TextList, Value::Array(items)) => {
            check_size(items.len(), usize::MAX, complaints);
            items
                .iter()
                .filter(|item| !item.is_string())
                .for_each(|item| complaints.push(wrong_type(item, "string")));
        }
        (Kind::Enum(values), Value::String(text)) if !values.contains(&text.as_str()) => {
            let values = quoted(values);
            complaints.push(format!(
                "instance value (\"{text}\") not found in enum (possible values: [{values}])"
            ));
        }
        (Kind::Any, _)
        | (Kind::Text | Kind::Enum(_), Value::String(_))
        | (Kind::Object, Value::Object(_)) => {}
        (Kind::Text | Kind::Enum(_), other) => complaints.push(wrong_type(other, "string")),
        (Kind::Integer, other) => complaints.push(wrong_type(other, "integer")),
        (Kind::Object, other) => complaints.push(wrong_type(other, "object")),
        (Kind::TextList, other) => complaints.push(wrong_type(other, "array")),
    }
}

fn check_size(length: usize, max: usize, complaints: &mut Vec<String>) {
    if length == 0 {
        complaints.push(
            "array is too short: must have at least 1 elements but instance has 0 elements".into(),
        );
    }
    if length > max {
        complaints.push(format!(
            "array is too long: must have at most {max} elements but instance has {length} elements"
        ));
    }
}

fn wrong_type(value: &Value, allowed: &str) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!(
        "instance type ({found}) does not match any allowed primitive type (allowed: \
         [\"{allowed}\"])"
    )
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(",")
}

// The second step: what a schema cannot say.

/// A rule that fits the schema.
struct Rule<'a> {
    priority: u64,
    description: Option<&'a str>,
    tag_status: &'a str,
    patterns: &'a [Value],
    prefixes: &'a [Value],
    storage_class: Option<&'a str>,
    count_type: &'a str,
    count_unit: Option<&'a str>,
    count_number: u64,
    action: &'a str,
    target: Option<&'a str>,
}

fn array<'a>(object: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    object
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

impl<'a> Rule<'a> {
    /// Reads a rule that fits the schema; nothing is absent then that is required.
    fn read(rule: &'a Value) -> Option<Self> {
        let selection = rule.get("selection")?.as_object()?;
        let action = rule.get("action")?;
        let text = |name: &str| selection.get(name).and_then(Value::as_str);
        Some(Self {
            priority: rule.get("rulePriority")?.as_u64()?,
            description: rule.get("description").and_then(Value::as_str),
            tag_status: text("tagStatus")?,
            patterns: array(selection, "tagPatternList"),
            prefixes: array(selection, "tagPrefixList"),
            storage_class: text("storageClass"),
            count_type: text("countType")?,
            count_unit: text("countUnit"),
            count_number: selection.get("countNumber")?.as_u64()?,
            action: action.get("type")?.as_str()?,
            target: action.get("targetStorageClass").and_then(Value::as_str),
        })
    }

    fn class(&self) -> &str {
        self.storage_class.unwrap_or("standard")
    }

    /// Writes the rule compactly, in the order of AWS's own examples.
    fn write(&self) -> String {
        let string = |text: &str| Value::from(text).to_string();
        let member = |name: &str, value: String| format!("\"{name}\":{value}");
        let list = |items: &[Value]| Value::from(items.to_vec()).to_string();
        let mut selection = vec![member("tagStatus", string(self.tag_status))];
        if !self.patterns.is_empty() {
            selection.push(member("tagPatternList", list(self.patterns)));
        }
        if !self.prefixes.is_empty() {
            selection.push(member("tagPrefixList", list(self.prefixes)));
        }
        selection.extend(
            self.storage_class
                .map(|class| member("storageClass", string(class))),
        );
        selection.push(member("countType", string(self.count_type)));
        selection.extend(
            self.count_unit
                .map(|unit| member("countUnit", string(unit))),
        );
        selection.push(member("countNumber", self.count_number.to_string()));
        let mut action = vec![member("type", string(self.action))];
        action.extend(
            self.target
                .map(|class| member("targetStorageClass", string(class))),
        );
        let mut rule = vec![member("rulePriority", self.priority.to_string())];
        rule.extend(
            self.description
                .map(|text| member("description", string(text))),
        );
        rule.push(member("selection", format!("{{{}}}", selection.join(","))));
        rule.push(member("action", format!("{{{}}}", action.join(","))));
        format!("{{{}}}", rule.join(","))
    }
}

/// What holds for a rule by itself. Of these sentences only the one on tagStatus=TAGGED has been
/// quoted by users; the others are ours, the rules behind them are documented.
fn check_rule(rule: &Rule<'_>) -> Result<(), String> {
    let lists = (rule.patterns.is_empty(), rule.prefixes.is_empty());
    match (rule.tag_status, lists) {
        ("tagged", (true, true)) => {
            return Err(
                "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.".into(),
            );
        }
        (_, (false, false)) => {
            return Err("Cannot specify both tagPrefixList and tagPatternList.".into());
        }
        ("any" | "untagged", (false, _) | (_, false)) => {
            let status = rule.tag_status.to_uppercase();
            return Err(format!(
                "Cannot specify tagPrefixList or tagPatternList when tagStatus={status}."
            ));
        }
        _ => {}
    }
    check_texts(rule)?;
    match (rule.count_type, rule.action) {
        ("sinceImagePulled", "expire") => {
            Err("countType=sinceImagePulled requires action type transition.".into())
        }
        ("sinceImageTransitioned", "transition") => {
            Err("countType=sinceImageTransitioned requires action type expire.".into())
        }
        ("sinceImageTransitioned", _) if rule.count_number < MIN_ARCHIVED_DAYS => Err(format!(
            "countNumber must be at least {MIN_ARCHIVED_DAYS} when countType=sinceImageTransitioned."
        )),
        _ => Ok(()),
    }
}

fn check_texts(rule: &Rule<'_>) -> Result<(), String> {
    let texts = || {
        rule.patterns
            .iter()
            .chain(rule.prefixes)
            .filter_map(Value::as_str)
    };
    if texts().any(str::is_empty) {
        return Err("An entry of tagPrefixList or tagPatternList must not be empty.".into());
    }
    let excessive = rule
        .patterns
        .iter()
        .filter_map(Value::as_str)
        .find(|pattern| pattern.matches('*').count() > MAX_WILDCARDS);
    excessive.map_or(Ok(()), |pattern| {
        Err(format!(
            "The tag pattern {pattern} exceeds the maximum of {MAX_WILDCARDS} wildcards."
        ))
    })
}

/// What holds between the rules. The sentences on UNTAGGED and ANY are ECR's, the others ours.
fn check_together(rules: &[Rule<'_>]) -> Result<(), &'static str> {
    let mut priorities = BTreeSet::new();
    let mut untagged = BTreeSet::new();
    let mut tagged = BTreeSet::new();
    for rule in rules {
        if !priorities.insert(rule.priority) {
            return Err("Each rule must have a unique rulePriority.");
        }
        if rule.tag_status == "untagged" && !untagged.insert(rule.class()) {
            return Err("Only one rule can select Untagged images per storage class.");
        }
        let set = |items: &'_ [Value]| -> BTreeSet<String> {
            items.iter().map(ToString::to_string).collect()
        };
        if !rule.prefixes.is_empty() && !tagged.insert((rule.class(), set(rule.prefixes))) {
            return Err("The set of tagPrefixList values must be unique per storage class.");
        }
        let last_of_class = rules
            .iter()
            .filter(|other| other.class() == rule.class() && !std::ptr::eq(*other, rule))
            .all(|other| other.priority < rule.priority);
        if rule.tag_status == "any" && !last_of_class {
            return Err("Rule for tagStatus=ANY must have the lowest priority per storage class");
        }
    }
    Ok(())
}
