//! What the API server says that the operator wrote: its audit log. It also has the writes that change
//! nothing, which no watch shows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use xtask::install::user;

/// The log, read from where it ended when this was made.
#[derive(Debug)]
pub(super) struct Audit {
    path: PathBuf,
    from: u64,
}

/// Requests of the operator and of others, since `Audit::now`.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The operator's writes to objects of ours, their status included.
    pub(super) writes: u64,
    /// The operator's Events.
    pub(super) events: u64,
    /// All of the operator's requests, by verb and kind.
    pub(super) requests: BTreeMap<String, u64>,
    /// The operator's requests that were refused.
    pub(super) refused: Vec<String>,
    created: Option<Timestamp>,
    last_write: Option<Timestamp>,
}

impl Seen {
    /// From when the API server got the object to the operator's last write to it.
    pub(super) fn until_last_write(&self) -> Result<Duration> {
        let created = self.created.context("the audit log has no creation")?;
        let written = self
            .last_write
            .context("the audit log has no write of the operator")?;
        Ok(Duration::try_from(written.duration_since(created))?)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ObjectRef {
    resource: String,
    subresource: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl Audit {
    /// From now on.
    pub(super) fn now(dir: &Path) -> Result<Self> {
        let path = dir.join("audit.log");
        let from = path
            .metadata()
            .context("the API server writes no audit log")?
            .len();
        Ok(Self { path, from })
    }

    /// What happened since.
    pub(super) fn seen(&self) -> Result<Seen> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // The last line may still be being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut seen = Seen::default();
        for line in whole.lines() {
            let event: Event = serde_json::from_str(line)
                .with_context(|| format!("a line of the audit log: {line}"))?;
            seen.add(&event);
        }
        Ok(seen)
    }

    /// As `seen`, when the operator got everything that it asked for.
    pub(super) fn seen_without_refusals(&self) -> Result<Seen> {
        let seen = self.seen()?;
        let refused = &seen.refused;
        ensure!(
            refused.is_empty(),
            "the API server refused the operator: {refused:?}"
        );
        Ok(seen)
    }
}

impl Seen {
    fn add(&mut self, event: &Event) {
        let Some(object) = &event.object_ref else {
            return;
        };
        let write = matches!(
            event.verb.as_str(),
            "create" | "update" | "patch" | "delete"
        );
        let operator = user();
        // A watch that goes on has begun and is not complete.
        let begins = event.verb == "watch" && event.stage == "ResponseStarted";
        let ends = event.verb != "watch" && event.stage == "ResponseComplete";
        if event.user.username == operator && (begins || ends) {
            let what = format!("{} {}", event.verb, object.resource);
            *self.requests.entry(what).or_default() += 1;
        }
        if event.stage != "ResponseComplete" || !write {
            return;
        }
        let ours = object.resource == "ecrrepositories";
        if event.user.username != operator {
            if ours && event.verb == "create" {
                self.created = self.created.or(Some(event.request_received_timestamp));
            }
            return;
        }
        if event
            .response_status
            .as_ref()
            .is_some_and(|status| status.code == 403)
        {
            let what = format!("{} {}/{}", event.verb, object.resource, object.subresource);
            self.refused.push(what);
        }
        if ours {
            self.writes += 1;
            self.last_write = Some(event.stage_timestamp);
        } else if object.resource == "events" {
            self.events += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = concat!(
        r#"{"stage":"ResponseComplete","verb":"create","user":{"username":"admin"},"objectRef":{"resource":"ecrrepositories"},"responseStatus":{"code":201},"requestReceivedTimestamp":"2026-01-02T03:04:05.000000Z","stageTimestamp":"2026-01-02T03:04:05.010000Z"}"#,
        "\n",
        r#"{"stage":"ResponseComplete","verb":"patch","user":{"username":"system:serviceaccount:ecr-operator-system:ecr-operator"},"objectRef":{"resource":"ecrrepositories","subresource":"status"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-02T03:04:05.100000Z","stageTimestamp":"2026-01-02T03:04:05.250000Z"}"#,
        "\n",
        r#"{"stage":"ResponseComplete","verb":"create","user":{"username":"system:serviceaccount:ecr-operator-system:ecr-operator"},"objectRef":{"resource":"events"},"responseStatus":{"code":403},"requestReceivedTimestamp":"2026-01-02T03:04:05.100000Z","stageTimestamp":"2026-01-02T03:04:05.260000Z"}"#,
        "\n",
        r#"{"stage":"ResponseStarted","verb":"watch","user":{"username":"system:serviceaccount:ecr-operator-system:ecr-operator"},"objectRef":{"resource":"ecrrepositories"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-02T03:04:05.100000Z","stageTimestamp":"2026-01-02T03:04:05.260000Z"}"#,
        "\n",
        r#"{"stage":"half a li"#,
    );

    #[test]
    fn counts_what_the_operator_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        std::fs::write(&path, "").unwrap();
        let audit = Audit::now(dir.path()).unwrap();
        std::fs::write(&path, LOG).unwrap();
        let seen = audit.seen().unwrap();
        assert_eq!((seen.writes, seen.events), (1, 1));
        assert_eq!(seen.requests.get("watch ecrrepositories"), Some(&1));
        assert_eq!(seen.refused, ["create events/"]);
        assert_eq!(seen.until_last_write().unwrap(), Duration::from_millis(250));
        assert!(audit.seen_without_refusals().is_err());
    }
}
