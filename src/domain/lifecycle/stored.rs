//! From the text that AWS has stored to its shape.

use serde_json::{Map, Number, Value};

use crate::api::LifecyclePolicy;

/// Reads a stored text, if nothing in it is unknown to us.
pub(super) fn policy(text: &str) -> Option<LifecyclePolicy> {
    let written = plain(serde_json::from_str(text).ok()?);
    let policy: LifecyclePolicy = serde_json::from_value(written.clone()).ok()?;
    // Deserialising drops what it does not know; a policy with more in it than we can see is not
    // understood.
    let understood = plain(serde_json::to_value(&policy).ok()?);
    (understood == written).then_some(policy)
}

/// The same without what says nothing: nulls, empty lists, the fraction in `10.0`.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(plain_members(members)),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Number(number) => whole(&number).map_or(Value::Number(number), Value::from),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

fn plain_members(members: Map<String, Value>) -> Map<String, Value> {
    let says_something =
        |value: &Value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty());
    members
        .into_iter()
        .filter(|(_, value)| says_something(value))
        .map(|(key, value)| (key, plain(value)))
        .collect()
}

/// The integer that a number written with a fraction or an exponent stands for; ECR has none beyond
/// 32 bits.
fn whole(number: &Number) -> Option<i64> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    (float.fract() == 0.0 && float.abs() <= f64::from(i32::MAX))
        .then(|| format!("{float:.0}").parse().ok())?
}
