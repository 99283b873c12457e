//! The lists and maps of a class's schema.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::schema::{self, VALIDATIONS};
use super::{class_rules, rules};

/// The schema of `allowedNames`.
pub(super) fn names(_: &mut SchemaGenerator) -> Schema {
    unique(schema::strings(64, 256, &class_rules::name_glob()))
}

/// The schema of `allowedPrincipals`.
pub(super) fn principals(_: &mut SchemaGenerator) -> Schema {
    unique(schema::strings(
        100,
        640,
        &[class_rules::allowed_principal()],
    ))
}

/// The schema of `allowedActions`.
pub(super) fn actions(_: &mut SchemaGenerator) -> Schema {
    unique(schema::strings(100, 128, &[class_rules::action()]))
}

/// The schema of `allowedKmsKeys`. The longest ARN of an alias has about 330 characters.
pub(super) fn kms_keys(_: &mut SchemaGenerator) -> Schema {
    unique(schema::strings(64, 512, &class_rules::kms_pattern()))
}

/// The schema of `matchLabels`.
pub(super) fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "maxProperties": 16,
        (VALIDATIONS): [class_rules::label_keys()],
        "additionalProperties": {"type": "string", "maxLength": 63, (VALIDATIONS): [class_rules::label_value()]},
    })
}

/// The schema of a class's `tags`: as in an ECRRepository, with variables in the values. Those are longer than
/// what they stand for can be.
pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "maxProperties": 48,
        (VALIDATIONS): rules::tags(),
        "additionalProperties": {
            "type": "string",
            "maxLength": 512,
            (VALIDATIONS): class_rules::tag_value(),
        },
    })
}

/// The schema of a requirement's values; a label may be empty.
pub(super) fn label_values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "maxItems": 64,
        "items": {"type": "string", "maxLength": 63, (VALIDATIONS): [class_rules::label_value()]},
    })
}

fn unique(mut list: Schema) -> Schema {
    list.insert(VALIDATIONS.into(), json!([class_rules::unique()]));
    list
}
