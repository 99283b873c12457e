//! Every error that the model declares for an operation occurs here, or is listed with the reason why
//! it cannot.

mod absent;
mod images;
mod layers;
mod registries;
mod repositories;
mod upstreams;

use std::collections::BTreeSet;

use ecr_emulator::{Emulator, Fault};
use serde_json::{Value, json};

use self::absent::ABSENT;
pub(super) use self::absent::is_absent;
use super::Model;
use super::samples::{TYPE, cases, sample};
use super::world::World;
use crate::support::{ACCOUNT, REGION, apply, post, start};

/// The call that provokes an error, made ready on an emulator that has something of everything.
type Provocation = (&'static str, &'static str, fn(&Emulator) -> Value);

fn named(more: Value) -> Value {
    let mut input = json!({ "repositoryName": "api" });
    let more = more.as_object().unwrap().clone();
    input.as_object_mut().unwrap().extend(more);
    input
}

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef";

/// The repository `sealed`, whose key KMS refuses to use once something is under way.
fn sealed(emulator: &Emulator, ready: fn(&Emulator) -> Value) -> Value {
    let encryption = json!({ "encryptionType": "KMS", "kmsKey": KEY });
    apply(
        emulator,
        "CreateRepository",
        json!({ "repositoryName": "sealed", "encryptionConfiguration": encryption }),
    );
    let mut input = ready(emulator);
    input["repositoryName"] = json!("sealed");
    emulator.configure(|settings| {
        settings.kms_faults = [(KEY.to_owned(), "DisabledException".to_owned())].into();
    });
    input
}

/// The errors that the model declares, by operation.
fn declared() -> BTreeSet<(String, String)> {
    let model = Model::get();
    let of = |operation: &str| -> Vec<(String, String)> {
        let errors = model.errors(operation).into_iter();
        errors
            .map(|error| (operation.to_owned(), error.to_owned()))
            .collect()
    };
    model.operations().flat_map(of).collect()
}

#[tokio::test]
async fn every_declared_error_occurs_or_is_listed() {
    let mut occurred = BTreeSet::new();
    let mut note = |operation: &str, error: &str| {
        occurred.insert((operation.to_owned(), error.to_owned()));
    };
    let tables = [
        repositories::TABLE,
        images::TABLE,
        layers::TABLE,
        upstreams::TABLE,
        registries::TABLE,
    ];
    for (operation, error, ready) in tables.into_iter().flatten() {
        let world = World::new().await;
        let input = ready(&world.emulator);
        let refused = world.call(operation, input.clone());
        let code = refused.map_err(|refused| refused.code);
        assert_eq!(code, Err((*error).to_owned()), "{operation} {input}");
        note(operation, error);
        world.assert_without_faults();
    }
    for (operation, error) in common().await {
        note(&operation, &error);
    }
    let listed: BTreeSet<(String, String)> = ABSENT
        .iter()
        .flat_map(|row| row.operations.iter().map(|name| (*name, row.error)))
        .map(|(operation, error)| (operation.to_owned(), error.to_owned()))
        .collect();
    let declared = declared();
    let both: Vec<_> = occurred.intersection(&listed).collect();
    assert!(both.is_empty(), "listed, but they occur: {both:?}");
    let known = &occurred | &listed;
    let missing: Vec<_> = declared.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "they neither occur nor are listed: {missing:?}"
    );
    let foreign: Vec<_> = known.difference(&declared).collect();
    assert!(
        foreign.is_empty(),
        "the model does not declare them: {foreign:?}"
    );
}

/// The errors that one way provokes in every operation.
async fn common() -> Vec<(String, String)> {
    let model = Model::get();
    let mut occurred = Vec::new();
    let mut note = |operation: &str, code: &str| {
        if model.errors(operation).contains(&code) {
            occurred.push((operation.to_owned(), code.to_owned()));
        }
    };
    let (empty, whole) = (start().await, World::new().await);
    for operation in model.operations() {
        let input = model.side(operation, "input");
        // A repository that is not there.
        empty.wipe();
        if let Err(error) = empty.call(ACCOUNT, REGION, operation, sample(model, input)) {
            note(operation, &error.code);
        }
        let outside = cases(model, input, "").into_iter();
        for case in outside.filter(|case| !case.inside && case.constraint != TYPE) {
            if let Err(error) = whole.call(operation, case.value) {
                note(operation, &error.code);
            }
        }
        empty.inject(Fault::any().server_error());
        let (status, answer) = post(&empty, operation, json!({})).await;
        assert_eq!(status, 500);
        note(operation, answer["__type"].as_str().unwrap());
    }
    whole.assert_without_faults();
    occurred
}
