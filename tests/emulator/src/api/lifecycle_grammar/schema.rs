//! The first step: the JSON schema, whose complaints come all at once.

use serde_json::{Map, Value};

const MAX_RULES: usize = 50;

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

pub(super) fn check_document(document: &Map<String, Value>, complaints: &mut Vec<String>) {
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
