//! The operations: one file an area, and one table that names them all.

mod account;
mod authorization;
mod backfill;
mod creation;
mod images;
mod jobs;
mod kms;
mod layers;
mod lifecycle;
mod lifecycle_grammar;
mod lifecycle_preview;
mod lifecycle_rules;
pub(crate) mod lifecycle_run;
mod manifest;
mod policy;
mod policy_grammar;
mod policy_text;
mod pull_through;
mod push;
mod referrers;
mod registry;
pub(crate) mod replication;
mod repositories;
mod scanning;
mod scans;
mod signing;
pub(crate) mod sqs;
mod storage;
pub(crate) mod sts;
mod table;
pub(crate) mod tagging;
mod tags;
mod templates;
mod upstream;
pub(crate) use jobs::{Job, Place, Registries, run as run_jobs};
pub(crate) use lifecycle_preview::Preview;
pub(crate) use table::find;
use table::is_operation;
pub(crate) use tags::parse_arn;

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::error::Error;
use crate::events::News;
use crate::settings::Settings;
use crate::shape::{self, Member, Shape, optional, required};
use crate::state::{Registry, Repository};

/// What an operation works on: the caller's registry in the caller's region.
pub(crate) struct Context<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) now: f64,
    pub(crate) registry: &'a mut Registry,
    pub(crate) settings: &'a mut Settings,
    /// What is to be done later.
    pub(crate) jobs: &'a mut Vec<Job>,
    /// What is to be told by events.
    pub(crate) news: &'a mut Vec<News>,
    /// Different in every call: seeds identifiers.
    pub(crate) serial: u64,
}

/// One operation of ECR.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    input: &'static [Member],
    run: fn(&mut Context<'_>, &Value) -> Result<Value, Error>,
}

impl Operation {
    const fn new(
        name: &'static str,
        input: &'static [Member],
        run: fn(&mut Context<'_>, &Value) -> Result<Value, Error>,
    ) -> Self {
        Self { name, input, run }
    }

    /// Checks the input against the model, then runs the operation. An operation either changes
    /// all that it changes or answers an error and changes nothing.
    pub(crate) fn apply(&self, context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
        shape::check(self.input, input)?;
        (self.run)(context, input)
    }
}

// Shapes that several areas use, named as in the model.

/// The model writes `\/` for `/`; in its refusals ECR writes `/`, and so do we.
pub(crate) const REPOSITORY_NAME: Shape = Shape::matching(
    2,
    256,
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
);
pub(crate) const REGISTRY_ID: Shape = Shape::matching(0, usize::MAX, "[0-9]{12}");
pub(crate) const MAX_RESULTS: Shape = Shape::Integer { min: 1, max: 1000 };
pub(crate) const IMAGE_TAG: Shape = Shape::text(1, 300);
pub(crate) const TAG_LIST: Shape = Shape::list(
    &Shape::Structure(&[required("Key", Shape::TEXT), required("Value", Shape::TEXT)]),
    0,
    usize::MAX,
);

/// The input of the operations that take none.
const NOTHING: &[Member] = &[];

/// The input of the operations that take a repository and nothing else.
const REPOSITORY: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
];

/// A string member of a checked input; empty if it is absent.
pub(crate) fn text<'a>(input: &'a Value, name: &str) -> &'a str {
    input.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A list member of a checked input; empty if it is absent.
pub(crate) fn list<'a>(input: &'a Value, name: &str) -> &'a [Value] {
    input
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A boolean member of a checked input; false if it is absent.
pub(crate) fn flag(input: &Value, name: &str) -> bool {
    input.get(name).and_then(Value::as_bool).unwrap_or_default()
}

impl Context<'_> {
    /// The account and the region of the call.
    pub(crate) fn place(&self) -> Place {
        (self.caller.account.clone(), self.caller.region.clone())
    }

    /// When something ends that ECR begins now and does behind the answer.
    pub(crate) fn job_end(&self) -> f64 {
        self.now + self.settings.job_seconds()
    }

    /// The registry that a call addresses: the caller's own when it names none.
    pub(crate) fn registry_id<'a>(&'a self, input: &'a Value) -> &'a str {
        match text(input, "registryId") {
            "" => &self.caller.account,
            id => id,
        }
    }

    /// The repository that a call names. In another account's registry there is none for this
    /// caller: no policy of the emulated world grants access across accounts.
    pub(crate) fn repository(&mut self, input: &Value) -> Result<&mut Repository, Error> {
        let registry = self.registry_id(input).to_owned();
        self.repository_in(&registry, text(input, "repositoryName"))
    }

    /// The repository of that name in that registry.
    pub(crate) fn repository_in(
        &mut self,
        registry: &str,
        name: &str,
    ) -> Result<&mut Repository, Error> {
        let own = registry == self.caller.account;
        self.registry
            .repositories
            .get_mut(name)
            .filter(|_| own)
            .ok_or_else(|| Error::repository_not_found(name, registry))
    }
}

/// An answer that begins with `registryId` and `repositoryName`, as most do.
pub(crate) fn answer<const N: usize>(
    repository: &Repository,
    members: [(&str, Value); N],
) -> Value {
    let mut answer = json!({
        "registryId": repository.registry_id,
        "repositoryName": repository.name,
    });
    if let Some(object) = answer.as_object_mut() {
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    answer
}
