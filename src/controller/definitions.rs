//! Whether the definitions in the cluster are those of this program; where a field of spec is lacking, nothing is
//! written.
//!
//! They are read as the API server publishes them, which everybody may who can log in (`system:discovery`): a
//! definition itself could be read by a right of its own alone. No watch tells of them, so they are asked for again
//! and again, and an answer that has not changed is empty.

use std::{collections::BTreeMap, fmt, time::Duration};

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::{Client, CustomResourceExt, Resource, client::Body};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    api::{ECRRepository, ECRRepositoryClass, GROUP},
    domain::definitions::{Differences, differences},
    telemetry::{Health, api_error},
};

/// The part of the process that is ready once the definitions are as they should be.
pub const DEFINITIONS: &str = "definitions";

/// Where the API server publishes the kinds of a group.
const PUBLISHED: &str = "/openapi/v3/apis/ecr-operator.dev/v1alpha1";

/// What is read of it: several times what it has.
const MOST: usize = 8 << 20;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Between two looks while all is well, and while something is lacking.
const SELDOM: Duration = Duration::from_secs(10);
const OFTEN: Duration = Duration::from_secs(1);

/// How to get the definitions of this version.
const CURE: &str =
    "kubectl apply --server-side -f crds/ (with the chart: crds.install=true, and helm upgrade)";

/// Whether objects say what they were written to say; clones share it.
#[derive(Clone, Debug)]
pub struct Definitions(watch::Receiver<bool>);

impl Definitions {
    /// Asks until the process ends; polled by the caller. With `allow_older` whatever is lacking is told, and holds
    /// up nothing.
    pub fn followed(
        client: Client,
        health: Health,
        allow_older: bool,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let fit = watch::Sender::new(false);
        let definitions = Self(fit.subscribe());
        let follower = Follower {
            client,
            health,
            allow_older,
            fit,
            etag: None,
            is_whole: false,
            told: Told::default(),
        };
        (definitions, follower.follow())
    }

    /// Whether anything may be written.
    pub(super) fn fit(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until something may be written.
    pub async fn wait(&self) {
        // Fails only where nobody asks any more: then the process ends.
        let _ = self.0.clone().wait_for(|fit| *fit).await;
    }

    /// Waits until that changes.
    pub(super) async fn change(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What was found.
enum Found {
    /// Nothing else than before.
    Same,
    Differences {
        found: Differences,
        /// Whether a kind is not there at all. Its watch says so; and whoever is of the other kind may still have to
        /// be let go.
        lacks_a_kind: bool,
    },
}

/// Why nothing was found.
#[derive(Debug)]
enum Unknown {
    /// Nothing of the group is there.
    NotInstalled,
    Forbidden(String),
    Unanswered(String),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => write!(
                f,
                "the API server knows no kind of {GROUP} — install the CRDs \
                 (kubectl apply --server-side -f crds/)"
            ),
            Self::Forbidden(said) => write!(
                f,
                "can't tell whether the definitions are of this version: {said} — let the operator's ServiceAccount \
                 read {PUBLISHED} (ClusterRole system:discovery), or set --allow-older-definitions"
            ),
            Self::Unanswered(said) => write!(
                f,
                "can't tell yet whether the definitions are of this version: {said} — check the API server if it lasts"
            ),
        }
    }
}

/// What was said last, so that it is said once.
#[derive(Default)]
struct Told {
    status: String,
    newer: String,
    allowed: String,
}

struct Follower {
    client: Client,
    health: Health,
    allow_older: bool,
    fit: watch::Sender<bool>,
    /// Of the last answer.
    etag: Option<header::HeaderValue>,
    /// Whether it had all kinds.
    is_whole: bool,
    told: Told,
}

impl Follower {
    async fn follow(mut self) {
        loop {
            let asked = tokio::time::timeout(LIMIT, self.ask()).await;
            let asked =
                asked.unwrap_or_else(|_| Err(Unknown::Unanswered("no answer in time".to_owned())));
            let all_is_well = self.take(asked);
            tokio::time::sleep(if all_is_well { SELDOM } else { OFTEN }).await;
        }
    }

    async fn ask(&mut self) -> Result<Found, Unknown> {
        let mut request = Request::get(PUBLISHED).header(header::ACCEPT, "application/json");
        if let Some(etag) = &self.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let request = request.body(Body::empty()).map_err(|it| unanswered(&it))?;
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|error| Unknown::Unanswered(api_error(&error)))?;
        match answer.status() {
            StatusCode::NOT_MODIFIED => return Ok(Found::Same),
            StatusCode::NOT_FOUND => {
                self.etag = None;
                return Err(Unknown::NotInstalled);
            }
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(Unknown::Forbidden(status.to_string()));
            }
            StatusCode::OK => {}
            status => return Err(Unknown::Unanswered(format!("HTTP status {status}"))),
        }
        let etag = answer.headers().get(header::ETAG).cloned();
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let body = body.map_err(|it| Unknown::Unanswered(api_error(&*it)))?;
        let text = body.to_bytes();
        let published = serde_json::from_slice(&text).map_err(|it| unanswered(&it))?;
        let found = compared(&published);
        self.etag = etag;
        Ok(found)
    }

    /// Whether there is no haste to ask again.
    fn take(&mut self, asked: Result<Found, Unknown>) -> bool {
        match asked {
            Ok(Found::Same) => *self.fit.borrow() && self.is_whole,
            Ok(Found::Differences {
                found,
                lacks_a_kind,
            }) => {
                self.is_whole = !lacks_a_kind;
                self.judge(&found) && self.is_whole
            }
            Err(why @ Unknown::NotInstalled) => {
                self.health.unready(DEFINITIONS, &why.to_string());
                self.is_fit(false);
                false
            }
            Err(_) if *self.fit.borrow() => true,
            Err(why) if self.allow_older => {
                tracing::warn!("{why}");
                self.is_fit(true);
                self.health.ready(DEFINITIONS);
                true
            }
            Err(why) => {
                self.health.unready(DEFINITIONS, &why.to_string());
                false
            }
        }
    }

    fn judge(&mut self, found: &Differences) -> bool {
        let newer = found.newer.to_string();
        if news(&mut self.told.newer, &newer) {
            tracing::info!(
                "the definitions are newer than this operator: it does not know {newer} — what objects say there has \
                 no effect until the operator is of that version as well"
            );
        }
        let lacks_status = (!found.status.is_empty()).then(|| {
            let lacking = &found.status;
            format!(
                "the definitions lack {lacking}: objects whose status is to have it wait — {CURE}"
            )
        });
        if news(
            &mut self.told.status,
            lacks_status.as_deref().unwrap_or_default(),
        ) {
            tracing::warn!("{}", self.told.status);
        }
        let is_held = !found.spec.is_empty() && !self.allow_older;
        if is_held {
            self.health
                .unready(DEFINITIONS, &older(found, ", and nothing is written"));
        } else {
            let remark = (!found.spec.is_empty()).then(|| older(found, ""));
            if news(
                &mut self.told.allowed,
                remark.as_deref().unwrap_or_default(),
            ) {
                tracing::warn!(
                    "allowed by --allow-older-definitions: {}",
                    self.told.allowed
                );
            }
            self.health.remark(DEFINITIONS, remark.or(lacks_status));
            self.health.ready(DEFINITIONS);
        }
        self.is_fit(!is_held);
        !is_held
    }

    fn is_fit(&self, fit: bool) {
        self.fit
            .send_if_modified(|was| std::mem::replace(was, fit) != fit);
    }
}

fn unanswered(error: &(dyn std::error::Error + 'static)) -> Unknown {
    Unknown::Unanswered(api_error(error))
}

/// Whether something is to be said that was not said last.
fn news(last: &mut String, now: &str) -> bool {
    let is_news = last != now;
    now.clone_into(last);
    is_news && !now.is_empty()
}

fn older(found: &Differences, so: &str) -> String {
    format!(
        "the definitions in the cluster lack {}: what objects say there is lost{so} — apply the definitions of version \
         {}: {CURE}; then apply the objects again",
        found.spec,
        env!("CARGO_PKG_VERSION")
    )
}

/// Compares what the API server publishes with what this program knows.
fn compared(published: &Value) -> Found {
    let served = served(published);
    let mut found = Differences::default();
    let mut lacks_a_kind = false;
    for (kind, own) in own() {
        match served.get(kind.as_str()) {
            Some(served) => found.extend(differences(&kind, &own, served)),
            None => lacks_a_kind = true,
        }
    }
    Found::Differences {
        found,
        lacks_a_kind,
    }
}

/// The kinds of our group, by their names.
fn served(published: &Value) -> BTreeMap<&str, &Value> {
    let schemas = published.pointer("/components/schemas");
    let schemas = schemas.and_then(Value::as_object).into_iter().flatten();
    let named = schemas.filter_map(|(_, schema)| {
        let kinds = schema.get("x-kubernetes-group-version-kind")?.as_array()?;
        let of_us = kinds.iter().find(|it| it["group"] == GROUP)?;
        Some((of_us["kind"].as_str()?, schema))
    });
    named.collect()
}

/// What this program knows of each kind.
fn own() -> [(String, Value); 2] {
    [schema::<ECRRepository>(), schema::<ECRRepositoryClass>()]
}

fn schema<K: CustomResourceExt + Resource<DynamicType = ()>>() -> (String, Value) {
    let mut versions = K::crd().spec.versions.into_iter();
    let schema = versions.find_map(|it| it.schema?.open_api_v3_schema);
    // It was read from our own types.
    let schema = serde_json::to_value(schema).unwrap_or_default();
    (K::kind(&()).into_owned(), schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn published(change: impl FnOnce(&mut Value)) -> Value {
        let mut schemas = serde_json::Map::new();
        for (kind, mut schema) in own() {
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": GROUP, "kind": kind, "version": "v1alpha1"}]);
            schemas.insert(format!("dev.ecr-operator.v1alpha1.{kind}"), schema);
            schemas.insert(format!("dev.ecr-operator.v1alpha1.{kind}List"), json!({}));
        }
        let mut all = json!({"components": {"schemas": schemas}});
        change(&mut all["components"]["schemas"]);
        all
    }

    fn found(published: &Value) -> Option<(Differences, bool)> {
        match compared(published) {
            Found::Differences {
                found,
                lacks_a_kind,
            } => Some((found, lacks_a_kind)),
            Found::Same => None,
        }
    }

    const KIND: &str = "dev.ecr-operator.v1alpha1.ECRRepository";

    #[test]
    fn the_own_definitions_are_the_same() {
        let same = found(&published(|_| {}));
        assert_eq!(same, Some((Differences::default(), false)));
    }

    #[test]
    fn each_field_of_spec_that_is_lacking_is_named_with_the_cure() {
        let fields = own()[0].1["properties"]["spec"]["properties"].clone();
        let fields = fields.as_object().unwrap().keys();
        for field in fields {
            let changed = published(|all| {
                let spec = &mut all[KIND]["properties"]["spec"]["properties"];
                assert!(spec.as_object_mut().unwrap().remove(field).is_some());
            });
            let (found, _) = found(&changed).unwrap();
            let told = older(&found, "");
            let named = format!("ECRRepository spec.{field}:");
            assert!(told.contains(&named) && told.contains(CURE), "{told}");
            assert!(found.status.is_empty() && found.newer.is_empty());
        }
    }

    #[test]
    fn a_kind_that_is_not_there_is_no_older_one() {
        let changed = published(|all| {
            all.as_object_mut().unwrap().remove(KIND);
        });
        assert_eq!(found(&changed), Some((Differences::default(), true)));
    }
}
