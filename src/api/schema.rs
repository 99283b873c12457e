//! What schemas need beyond what schemars derives: the root, and the dialect of the API server.

use kube::core::Rule;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::{ECRRepository, ECRRepositorySpec, ECRRepositoryStatus, rules};

/// The keyword under which the API server looks for CEL rules.
pub(super) const VALIDATIONS: &str = "x-kubernetes-validations";

/// The whole object. Written by hand because kube's derive leaves `metadata` out, and a rule can
/// only point at a field that the schema knows.
impl JsonSchema for ECRRepository {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ECRRepository".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Root {
            description: DESCRIPTION,
            name: "Name of this object, at most 128 characters: it is part of the tag that marks the repository as owned.",
            spec: ECRRepositorySpec::json_schema(generator),
            status: ECRRepositoryStatus::json_schema(generator),
            rules: rules::object(),
        }
        .schema()
    }
}

/// What the schema of a kind is made of.
pub(super) struct Root {
    /// What `kubectl explain` begins with.
    pub(super) description: &'static str,
    /// What it says of the object's name.
    pub(super) name: &'static str,
    pub(super) spec: Schema,
    pub(super) status: Schema,
    pub(super) rules: Vec<Rule>,
}

impl Root {
    /// The schema of the whole object, as the API server wants it.
    pub(super) fn schema(mut self) -> Schema {
        // Server-side apply that takes the last field out of the spec leaves `spec: null`, which would
        // be refused; the API server prunes the null and puts the default in its place.
        self.spec
            .insert("default".into(), Value::Object(Map::new()));
        let mut schema = json_schema!({
            "type": "object",
            "description": self.description,
            "properties": {
                "metadata": {
                    "type": "object",
                    "properties": {"name": {"type": "string", "description": self.name}},
                },
                "spec": self.spec,
                "status": self.status,
            },
            (VALIDATIONS): self.rules,
        });
        RecursiveTransform(speak_kubernetes).transform(&mut schema);
        schema
    }
}

/// What `kubectl explain ecrrepo` begins with.
const DESCRIPTION: &str = "ECRRepository is one repository of Amazon ECR with everything about it: tag mutability, \
    scanning, encryption, lifecycle policy, repository policy and tags. The operator makes ECR match \
    the spec and keeps it matching.\n\n\
    Each setting has three states. Absent: not managed, left as it is in ECR. Present: enforced. \
    Present with an empty list: enforced to be none. Tags are managed key by key.\n\n\
    Deleting this object keeps the repository and its images, unless spec.deletionPolicy says otherwise.";

/// Turns one schema of schemars into what the API server wants.
fn speak_kubernetes(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    drop_null(object);
    unwrap_option(object);
    // A format is not enforced (uint32), or it is and adds a second, unreadable line to the
    // refusal (int64); minimum and maximum say it better. Timestamps keep theirs.
    if object.get("type").is_some_and(|it| it == "integer") {
        object.remove("format");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = join_lines(text);
    }
}

/// Takes `null` out of a list of types. With `nullable: true` the API server stores nulls, and then
/// an aspect would have a fourth state.
fn drop_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
}

/// Turns `anyOf: [X, null]`, which is an optional X, into X.
fn unwrap_option(schema: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = schema.get("anyOf") else {
        return;
    };
    if let [Value::Object(inner), Value::Object(null)] = choices.as_slice()
        && null.get("type").is_some_and(|it| it == "null")
    {
        let inner = inner.clone();
        schema.remove("anyOf");
        for (key, value) in inner {
            schema.entry(key).or_insert(value);
        }
    }
}

/// Joins the lines of a paragraph: a doc comment breaks them where the source ends, kubectl where
/// the terminal does.
fn join_lines(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// A list of strings that is replaced as a whole, each string held to the same rules.
pub(super) fn strings(max_items: u32, max_length: u32, rules: &[Rule]) -> Schema {
    let mut items = json_schema!({"type": "string", "minLength": 1, "maxLength": max_length});
    if !rules.is_empty() {
        items.insert(VALIDATIONS.into(), serde_json::json!(rules));
    }
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "maxItems": max_items,
        "items": items,
    })
}
