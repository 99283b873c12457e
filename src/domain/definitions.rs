//! Whether the definitions that the API server has are those of this program.
//!
//! A field of spec that a definition lacks is pruned from every object, and its absence means something else: an
//! object that says `suspend: true` would be stored without it, and worked on.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use super::text::some;

/// How many fields are named at most.
const NAMED: usize = 6;

/// How one kind's definition differs from what this program knows of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Differences {
    /// Fields of spec that the definition lacks.
    pub spec: Fields,
    /// Fields of status that it lacks.
    pub status: Fields,
    /// Fields that this program does not know.
    pub newer: Fields,
}

/// Fields of kinds, as `ECRRepository spec.suspend`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fields(BTreeSet<String>);

impl Fields {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&some(self.0.iter().cloned(), NAMED))
    }
}

impl Differences {
    /// Takes in those of another kind.
    pub fn extend(&mut self, other: Self) {
        self.spec.0.extend(other.spec.0);
        self.status.0.extend(other.status.0);
        self.newer.0.extend(other.newer.0);
    }
}

/// Compares what this program knows of a kind with what is served. Both are schemas of the whole object.
#[must_use]
pub fn differences(kind: &str, own: &Value, served: &Value) -> Differences {
    let compare = |part: &str, from: &Value, to: &Value| {
        let mut lacking = BTreeSet::new();
        let path = format!("{kind} {part}");
        match (property(from, part), property(to, part)) {
            (Some(from), Some(to)) => lacks(&path, from, to, &mut lacking),
            (Some(_), None) if !takes_anything(to) => drop(lacking.insert(path)),
            (Some(_) | None, _) => {}
        }
        lacking
    };
    let (spec, status) = (compare("spec", own, served), compare("status", own, served));
    let mut newer = compare("spec", served, own);
    newer.extend(compare("status", served, own));
    Differences {
        spec: Fields(spec),
        status: Fields(status),
        newer: Fields(newer),
    }
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

/// The fields below a path that one schema has and another lacks. Of a field that is lacking, those within it are not
/// named.
fn lacks(path: &str, from: &Value, to: &Value, lacking: &mut BTreeSet<String>) {
    if takes_anything(to) {
        return;
    }
    let fields = from.get("properties").and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        let path = format!("{path}.{name}");
        match property(to, name).or_else(|| values(to)) {
            Some(found) => lacks(&path, field, found, lacking),
            None => drop(lacking.insert(path)),
        }
    }
    for (below, part) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let (Some(from), Some(to)) = (schema_of(from, below), schema_of(to, below)) {
            lacks(&format!("{path}{part}"), from, to, lacking);
        }
    }
}

/// Whether nothing is pruned below it.
fn takes_anything(schema: &Value) -> bool {
    let is_true = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    is_true("x-kubernetes-preserve-unknown-fields") || is_true("additionalProperties")
}

/// What the fields of a map are, whatever their name.
fn values(schema: &Value) -> Option<&Value> {
    schema_of(schema, "additionalProperties")
}

fn schema_of<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get(key).filter(|it| it.is_object())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn whole(spec: &Value, status: &Value) -> Value {
        json!({"properties": {
            "metadata": {}, "spec": {"properties": spec}, "status": {"properties": status},
        }})
    }

    fn told(own: &Value, served: &Value) -> [String; 3] {
        let Differences {
            spec,
            status,
            newer,
        } = differences("K", own, served);
        [spec, status, newer].map(|it| it.to_string())
    }

    #[test]
    fn what_is_lacking_is_named_wherever_it_is() {
        let text = json!({"type": "string"});
        let of = |fields: Value| json!({"properties": fields});
        for (own, served, expected) in [
            (json!({"a": text}), json!({"a": text}), ""),
            (json!({"a": text}), json!({}), "K spec.a"),
            (
                json!({"a": of(json!({"b": text, "c": text}))}),
                json!({"a": of(json!({"b": text}))}),
                "K spec.a.c",
            ),
            // Once for all that is within it.
            (json!({"a": of(json!({"b": text}))}), json!({}), "K spec.a"),
            (
                json!({"a": {"items": of(json!({"b": text}))}}),
                json!({"a": {"items": of(json!({}))}}),
                "K spec.a[].b",
            ),
            (
                json!({"a": {"additionalProperties": of(json!({"b": text}))}}),
                json!({"a": {"additionalProperties": of(json!({}))}}),
                "K spec.a.*.b",
            ),
            // What is kept whatever its name is lost by nobody.
            (
                json!({"a": of(json!({"b": text}))}),
                json!({"a": {"x-kubernetes-preserve-unknown-fields": true}}),
                "",
            ),
            (
                json!({"a": of(json!({"b": text}))}),
                json!({"a": {"additionalProperties": text}}),
                "",
            ),
        ] {
            let none = json!({});
            let found = told(&whole(&own, &none), &whole(&served, &none));
            assert_eq!(found[0], expected, "{own} {served}");
            let found = told(&whole(&none, &own), &whole(&none, &served));
            assert_eq!(found[1], expected.replace("spec", "status"));
            let found = told(&whole(&served, &none), &whole(&own, &none));
            assert_eq!(found[2], expected, "and the other way round");
        }
    }

    #[test]
    fn a_definition_without_any_spec_lacks_it_whole() {
        let own = whole(&json!({"a": {}}), &json!({}));
        assert_eq!(told(&own, &json!({}))[0], "K spec");
        let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
        assert_eq!(told(&own, &anything)[0], "");
    }

    #[test]
    fn a_long_list_has_an_end() {
        let all: serde_json::Map<_, _> = (10..30).map(|n| (format!("f{n}"), json!({}))).collect();
        let own = whole(&Value::Object(all), &json!({}));
        let told = told(&own, &whole(&json!({}), &json!({})));
        assert!(told[0].starts_with("K spec.f10, K spec.f11, "), "{told:?}");
        assert!(told[0].ends_with("K spec.f15 and 14 more"), "{told:?}");
    }

    fn schemas() -> impl Strategy<Value = Value> {
        let leaf = Just(json!({"type": "string"}));
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::btree_map("[a-d]", inner.clone(), 0..4)
                    .prop_map(|fields| json!({"properties": fields})),
                inner.clone().prop_map(|it| json!({"items": it})),
                inner.prop_map(|it| json!({"additionalProperties": it})),
            ]
        })
    }

    proptest! {
        /// Nothing differs from itself, and whatever is taken out anywhere is missed.
        #[test]
        fn what_is_taken_out_is_missed(schema in schemas(), extra in schemas()) {
            let own = json!({"properties": {"spec": schema}});
            prop_assert_eq!(differences("K", &own, &own), Differences::default());
            let mut more = own.clone();
            let spec = &mut more["properties"]["spec"];
            if spec.get("properties").is_some() {
                spec["properties"]["z"] = extra;
                let found = differences("K", &more, &own);
                prop_assert_eq!(found.spec.to_string(), "K spec.z");
                prop_assert!(found.newer.is_empty());
            }
        }
    }
}
