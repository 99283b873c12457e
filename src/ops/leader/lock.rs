//! The lease in the API server.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease as KubernetesLease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use super::view::{Lease, Record};

/// Reads and writes one lease. Each request ends in time, with or without an answer.
pub(super) struct Lock {
    api: Api<KubernetesLease>,
    name: String,
    /// What else stands in the lease, which stays: labels that people gave it.
    metadata: ObjectMeta,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The lease is not what the write was held to; it has to be read.
    #[error("the lease changed meanwhile")]
    Conflict,
    /// The API server did not take it, or nobody knows.
    #[error(transparent)]
    Refused(#[from] kube::Error),
    /// There was no answer in time.
    #[error("no answer in time")]
    TimedOut,
}

impl Lock {
    pub(super) fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            metadata: ObjectMeta::default(),
        }
    }

    /// The lease as it is now.
    pub(super) async fn read(&mut self, limit: Duration) -> Result<Option<Lease>, Failed> {
        let found = in_time(limit, self.api.get_opt(&self.name)).await?;
        Ok(found.map(|lease| self.note(lease)))
    }

    /// Writes the lease in place of a version; without one it must not be there.
    pub(super) async fn write(
        &mut self,
        version: Option<String>,
        record: &Record,
        limit: Duration,
    ) -> Result<Lease, Failed> {
        let params = PostParams {
            field_manager: Some("ecr-operator".to_owned()),
            ..PostParams::default()
        };
        let mut lease = KubernetesLease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(to_spec(record)),
        };
        let written = if version.is_some() {
            lease.metadata.labels.clone_from(&self.metadata.labels);
            let annotations = &self.metadata.annotations;
            lease.metadata.annotations.clone_from(annotations);
            lease.metadata.resource_version = version;
            let replace = self.api.replace(&self.name, &params, &lease);
            in_time(limit, replace).await.map_err(gone)
        } else {
            in_time(limit, self.api.create(&params, &lease)).await
        };
        written.map(|lease| self.note(lease))
    }

    fn note(&mut self, lease: KubernetesLease) -> Lease {
        let version = lease.metadata.resource_version.clone();
        self.metadata = lease.metadata;
        Lease {
            version: version.unwrap_or_default(),
            record: from_spec(lease.spec.unwrap_or_default()),
        }
    }
}

async fn in_time<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failed> {
    match tokio::time::timeout(limit, request).await {
        Ok(Ok(answer)) => Ok(answer),
        // There is one already, or it is another version.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Failed::Conflict),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Failed::TimedOut),
    }
}

/// What was to be replaced may be gone.
fn gone(failed: Failed) -> Failed {
    match failed {
        Failed::Refused(kube::Error::Api(status)) if status.code == 404 => Failed::Conflict,
        other => other,
    }
}

fn to_spec(record: &Record) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(record.holder.clone()),
        lease_duration_seconds: i32::try_from(record.duration.as_secs()).ok(),
        acquire_time: record.acquired.map(MicroTime),
        renew_time: record.renewed.map(MicroTime),
        lease_transitions: Some(record.transitions),
        ..LeaseSpec::default()
    }
}

fn from_spec(spec: LeaseSpec) -> Record {
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::ops::leader::settings::Settings;

    #[test]
    fn a_lease_reads_as_client_go_writes_it() {
        let settings = Settings::parse(15, 10, 2).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let held = Record::vacant(&settings).taken("pod_1", &settings, now);
        let spec = serde_json::to_value(to_spec(&held)).unwrap();
        let expected = serde_json::json!({
            "holderIdentity": "pod_1",
            "leaseDurationSeconds": 15,
            "acquireTime": "2027-01-15T08:00:00.000000Z",
            "renewTime": "2027-01-15T08:00:00.000000Z",
            "leaseTransitions": 1,
        });
        assert_eq!(spec, expected);
        assert_eq!(from_spec(to_spec(&held)), held);
        let released = to_spec(&held.released(now));
        assert_eq!(released.holder_identity.as_deref(), Some(""));
        assert_eq!(released.lease_duration_seconds, Some(1));
        assert_eq!(released.lease_transitions, Some(1));
    }

    #[test]
    fn a_lease_of_another_make_can_be_read() {
        let nothing = from_spec(LeaseSpec::default());
        assert_eq!(nothing.holder, "");
        assert!(!nothing.is_released(), "nobody gave it back");
    }
}
