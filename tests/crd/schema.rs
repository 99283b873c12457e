//! What every schema must be, whatever its fields.

use ecr_operator::api::{ECRRepository, ECRRepositoryClass};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// A named field of a schema.
pub(crate) struct Field {
    /// Its path from the root of the object, as `spec.lifecyclePolicy.rules[].action`.
    pub(crate) path: String,
    pub(crate) schema: Value,
}

impl Field {
    /// Every field of every version.
    pub(crate) fn all(definition: &CustomResourceDefinition) -> Vec<Self> {
        let mut fields = Vec::new();
        for version in &definition.spec.versions {
            let schema = version.schema.as_ref().unwrap();
            let root = serde_json::to_value(&schema.open_api_v3_schema).unwrap();
            collect("", &root, &mut fields);
        }
        fields
    }
}

fn collect(path: &str, schema: &Value, fields: &mut Vec<Field>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        fields.push(Field {
            path: path.clone(),
            schema: field.clone(),
        });
        collect(&path, field, fields);
    }
    if !schema["items"].is_null() {
        collect(&format!("{path}[]"), &schema["items"], fields);
    }
}

/// What is wrong with a field, in the words of somebody who asks for it to be mended.
fn faults(field: &Field) -> Vec<String> {
    let mut faults = Vec::new();
    let schema = &field.schema;
    if field.path == "metadata" {
        return faults; // described by the API server
    }
    if schema["description"].as_str().is_none_or(str::is_empty) {
        faults.push(format!(
            "{}: write a doc comment for kubectl explain",
            field.path
        ));
    }
    if field.path.starts_with("spec.") && !schema["default"].is_null() {
        faults.push(format!(
            "{}: no defaults in spec: absent is a state",
            field.path
        ));
    }
    if field.path != "metadata.name" {
        bounds(&field.path, schema, &mut faults);
    }
    if in_spec(&field.path) {
        atomic(&field.path, schema, &mut faults);
    }
    faults
}

fn in_spec(path: &str) -> bool {
    path.starts_with("spec")
}

/// CEL rules need bounds to be admitted, and requests without them hold the API server up.
fn bounds(path: &str, schema: &Value, faults: &mut Vec<String>) {
    let mut want = |keyword: &str| {
        if schema[keyword].is_null() {
            faults.push(format!("{path}: set {keyword}"));
        }
    };
    match schema["type"].as_str() {
        Some("string") if schema["enum"].is_null() => want("maxLength"),
        Some("integer") => {
            want("minimum");
            want("maximum");
        }
        Some("array") => {
            want("maxItems");
            want("x-kubernetes-list-type");
        }
        Some("object") if is_open(schema) => want("maxProperties"),
        Some("number") => faults.push(format!("{path}: no fractions in the API")),
        // It may be any of them.
        None => {
            want("maxLength");
            want("maxItems");
            want("maxProperties");
        }
        _ => {}
    }
    // Where anything is kept, a null is too: it is the operator's to refuse.
    if schema["nullable"] == true && schema["x-kubernetes-preserve-unknown-fields"] != true {
        faults.push(format!("{path}: nullable stores nulls, a fourth state"));
    }
    if schema["type"] == "integer" && !schema["format"].is_null() {
        faults.push(format!(
            "{path}: no format: the API server does not enforce uint, and adds a line to int"
        ));
    }
    for inner in ["items", "additionalProperties"] {
        if !schema[inner].is_null() {
            bounds(&format!("{path}[]"), &schema[inner], faults);
        }
    }
}

/// Whether an object may have fields of any name.
fn is_open(schema: &Value) -> bool {
    !schema["additionalProperties"].is_null()
        || schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// Server-side apply cannot tell empty from absent, unless a map or list is atomic. What is inside an
/// atomic list is replaced with it.
fn atomic(path: &str, schema: &Value, faults: &mut Vec<String>) {
    let keyword = match schema["type"].as_str() {
        Some("object") if path != "spec" && !path.contains("[]") => "x-kubernetes-map-type",
        Some("array") => "x-kubernetes-list-type",
        _ => return,
    };
    if schema[keyword] != "atomic" {
        faults.push(format!("{path}: set {keyword} to atomic"));
    }
}

fn definitions() -> [CustomResourceDefinition; 2] {
    [ECRRepository::crd(), ECRRepositoryClass::crd()]
}

#[test]
fn every_field_is_described_bounded_and_atomic() {
    for definition in definitions() {
        let fields = Field::all(&definition);
        assert!(fields.len() > 60, "only {} fields were found", fields.len());
        let faults: Vec<String> = fields.iter().flat_map(faults).collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn every_rule_has_a_message() {
    fn check(schema: &Value) {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(message.len() > 15, "{rule}: say what to do");
        }
        if let Some(children) = schema.as_object() {
            children.values().for_each(check);
        }
    }
    for definition in definitions() {
        check(&serde_json::to_value(definition.spec.versions).unwrap()[0]);
    }
}

/// Without this default, kstatus takes a new object for one that is ready.
#[test]
fn status_begins_as_not_observed() {
    for definition in definitions() {
        let fields = Field::all(&definition);
        let status = fields.iter().find(|field| field.path == "status").unwrap();
        assert_eq!(status.schema["default"], json!({"observedGeneration": -1}));
    }
}

/// Each fault is found in a schema that has it.
#[test]
fn faults_are_found() {
    let cases = [
        ("spec.a", json!({"type": "boolean"}), "doc comment"),
        (
            "spec.a",
            json!({"type": "boolean", "default": true}),
            "no defaults",
        ),
        ("spec.a", json!({"type": "string"}), "maxLength"),
        (
            "status.a",
            json!({"type": "array", "items": {"type": "string"}}),
            "status.a[]: set maxLength",
        ),
        ("status.a", json!({"type": "array"}), "maxItems"),
        (
            "spec.a",
            json!({"type": "array", "x-kubernetes-list-type": "set"}),
            "to atomic",
        ),
        ("spec.a", json!({"type": "object"}), "to atomic"),
        (
            "spec.a",
            json!({"type": "object", "additionalProperties": {}}),
            "maxProperties",
        ),
        (
            "spec.a",
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            "maxProperties",
        ),
        ("spec.a", json!({"maxItems": 1}), "maxLength"),
        ("spec.a", json!({"maxItems": 1}), "maxProperties"),
        (
            "spec.a",
            json!({"maxItems": 1, "additionalProperties": {"maxItems": 1}}),
            "spec.a[]: set maxLength",
        ),
        (
            "status.a",
            json!({"type": "integer", "minimum": 0}),
            "set maximum",
        ),
        (
            "status.a",
            json!({"type": "integer", "format": "uint32"}),
            "no format",
        ),
        (
            "status.a",
            json!({"type": "string", "nullable": true}),
            "nullable",
        ),
        ("status.a", json!({"type": "number"}), "no fractions"),
    ];
    for (path, schema, expected) in cases {
        let field = Field {
            path: path.to_owned(),
            schema,
        };
        let faults = faults(&field);
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{expected:?} is not among {faults:#?}"
        );
    }
}
