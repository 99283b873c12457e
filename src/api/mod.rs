//! The custom resources: their types, their admission rules and the words of their conditions.
//!
//! The doc comments of fields are what `kubectl explain` prints: they are written for users.
//! Whatever the schema admits can be deserialized, so that no object can hide another one.

#![allow(
    clippy::doc_markdown,
    rustdoc::invalid_html_tags,
    reason = "in a terminal, where kubectl shows these texts, backticks are noise and <name> is no HTML"
)]

mod class;
mod class_rules;
mod class_schema;
mod class_settings;
mod condition;
mod effective;
mod lifecycle;
mod lifecycle_rules;
mod repository;
mod rules;
mod schema;
mod status;
mod words;

pub use class::*;
pub use class_settings::*;
pub use condition::*;
pub use effective::*;
pub use lifecycle::*;
pub use repository::*;
pub use status::*;

/// The API group of every custom resource here.
pub const GROUP: &str = "ecr-operator.dev";

/// The finalizer of an `ECRRepository`; there only while its deletion has work to do in AWS.
pub const FINALIZER: &str = "ecr-operator.dev/repository";

/// The annotation with which Flux asks for a reconciliation; any new value counts.
pub const RECONCILE_FLUX_ANNOTATION: &str = "reconcile.fluxcd.io/requestedAt";

/// Our own annotation that asks for a reconciliation; any new value counts.
pub const RECONCILE_ANNOTATION: &str = "ecr-operator.dev/reconcile-requested-at";

/// The annotation with which a person lets a lost repository be created anew; its value is the
/// `status.lastLoss.at` that the person saw.
pub const APPROVE_RECREATE_ANNOTATION: &str = "ecr-operator.dev/approve-recreate";

/// The annotation with which a person lets a lifecycle policy take images away, once; its value is the token
/// that the person saw in `status.pending`.
pub const APPROVE_LIFECYCLE_ANNOTATION: &str = "ecr-operator.dev/approve-lifecycle";

/// The annotation, `"true"`, of the class of objects that name none.
pub const DEFAULT_CLASS_ANNOTATION: &str = "ecr-operator.dev/is-default-class";

/// The finalizer of an `ECRRepositoryClass`; there only while it is in use.
pub const CLASS_FINALIZER: &str = "ecr-operator.dev/in-use";

/// What the keys of our tags in ECR begin with; no user may set such a tag.
pub const RESERVED_TAG_PREFIX: &str = "ecr-operator.dev/";

/// The ECR tag that says whose a repository is: `<cluster>/<namespace>/<name>`.
pub const OWNER_TAG: &str = "ecr-operator.dev/owner";

/// The ECR tag with the uid of the owning cluster's namespace `kube-system`.
pub const CLUSTER_UID_TAG: &str = "ecr-operator.dev/cluster-uid";
