//! Whether an answer fits its output shape.

use regex_lite::Regex;
use serde_json::Value;

use super::{Model, members, text};

/// What does not fit, each with its place. Bounds on lengths are not looked at: AWS's own answers
/// break them (`ListImages` answers up to 1,000 ids in a list of at most 100, and lists may be empty
/// that have at least one member).
pub(super) fn faults(model: &Model, name: &str, value: &Value, at: &str) -> Vec<String> {
    let shape = model.shape(name);
    let wrong = |what: &str| vec![format!("{at} is {value}: {what}")];
    let min = shape["min"].as_f64();
    match (text(shape, "type"), value) {
        ("structure", Value::Object(fields)) => {
            let members = members(shape);
            let unknown = fields
                .keys()
                .filter(|field| members.iter().all(|(name, _, _)| name != field))
                .map(|field| format!("{at}.{field} is not in {name}"));
            let known =
                members
                    .iter()
                    .flat_map(|(member, inner, required)| match fields.get(*member) {
                        None if *required => vec![format!("{at}.{member} is missing")],
                        None => Vec::new(),
                        Some(field) => faults(model, inner, field, &format!("{at}.{member}")),
                    });
            unknown.chain(known).collect()
        }
        ("list", Value::Array(items)) => items
            .iter()
            .flat_map(|item| faults(model, text(&shape["member"], "shape"), item, at))
            .collect(),
        ("map", Value::Object(fields)) => fields
            .iter()
            .flat_map(|(key, value)| {
                let key = Value::from(key.as_str());
                let mut found = faults(model, text(&shape["key"], "shape"), &key, at);
                found.extend(faults(model, text(&shape["value"], "shape"), value, at));
                found
            })
            .collect(),
        ("string", Value::String(found)) => {
            let set = shape["enum"].as_array();
            if set.is_some_and(|set| !set.contains(value)) {
                return wrong("not of the set");
            }
            let pattern = shape["pattern"].as_str();
            let pattern = pattern.map(|pattern| Regex::new(&format!("^(?:{pattern})$")).unwrap());
            if pattern.is_some_and(|pattern| !pattern.is_match(found)) {
                return wrong("not of the pattern");
            }
            Vec::new()
        }
        ("integer" | "long", Value::Number(number)) if number.is_i64() || number.is_u64() => {
            if number.as_f64() < min {
                return wrong("too small");
            }
            Vec::new()
        }
        ("timestamp" | "double" | "float", Value::Number(_)) | ("boolean", Value::Bool(_)) => {
            Vec::new()
        }
        (kind, _) => wrong(&format!("not a {kind}")),
    }
}
