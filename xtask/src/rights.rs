//! The operator's rights in Kubernetes: what its manifests grant, and what the API server's audit logs
//! say that it asked for.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::install::user;

/// One verb on one kind of resource.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Grant {
    group: String,
    /// With its subresource, as in a rule: `ecrrepositories/status`.
    resource: String,
    verb: String,
    /// The namespace that a Role holds it to.
    namespace: Option<String>,
    /// The names that it is held to; none means all.
    names: Vec<String>,
}

/// What the operator asked the API server for.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Request {
    group: String,
    resource: String,
    verb: String,
    namespace: String,
    name: String,
    /// Whether the API server let it through.
    permitted: bool,
}

impl Request {
    /// Whether the API server refused it.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        !self.permitted
    }
}

impl Grant {
    fn permits(&self, request: &Request) -> bool {
        self.group == request.group
            && self.resource == request.resource
            && self.verb == request.verb
            && self
                .namespace
                .as_ref()
                .is_none_or(|it| *it == request.namespace)
            && (self.names.is_empty() || self.names.iter().any(|it| is_named(it, &request.name)))
    }
}

/// The lease of an operator that watches one namespace has that namespace's name added to its own.
fn is_named(granted: &str, asked: &str) -> bool {
    let rest = asked.strip_prefix(granted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.verb, self.resource, self.group)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            resource,
            group,
            namespace,
            name,
            ..
        } = self;
        write!(f, "{verb} {resource}.{group} {namespace}/{name}")
    }
}

#[derive(Deserialize)]
struct Role {
    metadata: Metadata,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Metadata {
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// What the Roles and `ClusterRoles` of a directory of manifests grant.
///
/// # Errors
/// When a file is no manifest, or grants nothing.
pub fn granted(directory: &Path) -> Result<BTreeSet<Grant>> {
    let mut grants = BTreeSet::new();
    for path in files(directory, |path| {
        path.extension() == Some(OsStr::new("yaml"))
    })? {
        let text = std::fs::read_to_string(&path)?;
        let manifests = serde_yaml::from_multiple::<Value>(&text)
            .with_context(|| format!("{} is no manifest", path.display()))?;
        for manifest in manifests {
            grants.extend(of_manifest(manifest)?);
        }
    }
    ensure!(!grants.is_empty(), "{} grants nothing", directory.display());
    Ok(grants)
}

/// What one manifest grants: nothing, when it is no role.
///
/// # Errors
/// When it is a role that can't be read.
pub fn of_manifest(manifest: Value) -> Result<Vec<Grant>> {
    let kind = manifest.get("kind").and_then(Value::as_str);
    if !matches!(kind, Some("Role" | "ClusterRole")) {
        return Ok(Vec::new());
    }
    let role: Role = serde_json::from_value(manifest)?;
    let mut grants = Vec::new();
    for rule in &role.rules {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                grants.extend(rule.verbs.iter().map(|verb| Grant {
                    group: group.clone(),
                    resource: resource.clone(),
                    verb: verb.clone(),
                    namespace: role.metadata.namespace.clone(),
                    names: rule.resource_names.clone(),
                }));
            }
        }
    }
    Ok(grants)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

/// The lines of every audit log below a directory, each one event.
///
/// # Errors
/// When there is no log, or one can't be read.
pub fn logged(directory: &Path) -> Result<Vec<String>> {
    // The API server begins a new file when one is full, and puts the time into the old one's name.
    let is_log = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("audit") && path.extension() == Some(OsStr::new("log"))
    };
    let logs = files(directory, is_log)?;
    ensure!(
        !logs.is_empty(),
        "no audit log below {}: run the scenarios first",
        directory.display()
    );
    let mut lines = Vec::new();
    for log in logs {
        let text = std::fs::read_to_string(&log)?;
        // One that is being written, or whose server was stopped, may end in half a line.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        lines.extend(whole.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// What the operator's account asked for, by every audit log below a directory.
///
/// # Errors
/// When there is none, or one can't be read.
pub fn requests(directory: &Path) -> Result<BTreeSet<Request>> {
    let mut requests = BTreeSet::new();
    for line in logged(directory)? {
        let event = serde_json::from_str(&line).with_context(|| format!("an audit log: {line}"))?;
        requests.extend(request(event));
    }
    Ok(requests)
}

fn request(event: Event) -> Option<Request> {
    if event.user.username != user() {
        return None;
    }
    let object = event.object_ref?;
    let resource = match object.subresource.as_str() {
        "" => object.resource,
        subresource => format!("{}/{subresource}", object.resource),
    };
    Some(Request {
        group: object.api_group,
        resource,
        verb: event.verb,
        namespace: object.namespace,
        name: object.name,
        permitted: event.response_status?.code != 403,
    })
}

/// What was asked for and is granted by nothing.
#[must_use]
pub fn ungranted<'a>(
    grants: &BTreeSet<Grant>,
    requests: &'a BTreeSet<Request>,
) -> Vec<&'a Request> {
    let lacks = |request: &&Request| !grants.iter().any(|grant| grant.permits(request));
    requests.iter().filter(lacks).collect()
}

/// What is granted and was never made use of.
#[must_use]
pub fn unused<'a>(grants: &'a BTreeSet<Grant>, requests: &BTreeSet<Request>) -> Vec<&'a Grant> {
    let used = |grant: &Grant| requests.iter().any(|it| it.permitted && grant.permits(it));
    grants.iter().filter(|grant| !used(grant)).collect()
}

/// Files below a directory, by their path. What goes while this looks is passed over.
fn files(directory: &Path, is: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(&directory)
            .with_context(|| format!("look into {}", directory.display()))?;
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                directories.push(entry.path());
            } else if is(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grants() -> BTreeSet<Grant> {
        let cluster = json!({"kind": "ClusterRole", "metadata": {}, "rules": [
            {"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["get", "patch"]},
        ]});
        let role = json!({"kind": "Role", "metadata": {"namespace": "here"}, "rules": [
            {"apiGroups": ["x"], "resources": ["leases"], "resourceNames": ["one"], "verbs": ["update"]},
        ]});
        let account = json!({"kind": "ServiceAccount", "metadata": {}});
        let of = |manifest: Value| of_manifest(manifest).unwrap();
        [of(cluster), of(role), of(account)]
            .concat()
            .into_iter()
            .collect()
    }

    fn asked(group: &str, resource: &str, verb: &str, place: [&str; 2], code: u16) -> Request {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let event = json!({
            "verb": verb,
            "user": {"username": "system:serviceaccount:ecr-operator-system:ecr-operator"},
            "objectRef": {
                "apiGroup": group, "resource": resource, "subresource": subresource,
                "namespace": place[0], "name": place[1],
            },
            "responseStatus": {"code": code},
        });
        request(serde_json::from_value(event).unwrap()).unwrap()
    }

    #[test]
    fn tells_what_is_granted_by_nothing() {
        for (request, granted) in [
            (asked("", "pods", "get", ["a", "b"], 200), true),
            (asked("", "pods/status", "patch", ["a", "b"], 200), true),
            (asked("", "pods", "delete", ["a", "b"], 200), false),
            (asked("", "pods/log", "get", ["a", "b"], 200), false),
            (asked("", "secrets", "get", ["a", "b"], 200), false),
            (asked("y", "pods", "get", ["a", "b"], 200), false),
            (asked("x", "leases", "update", ["here", "one"], 200), true),
            (asked("x", "leases", "update", ["here", "one-a"], 200), true),
            (asked("x", "leases", "update", ["here", "two"], 200), false),
            (asked("x", "leases", "update", ["there", "one"], 200), false),
        ] {
            let requests = BTreeSet::from([request.clone()]);
            assert_eq!(
                ungranted(&grants(), &requests).is_empty(),
                granted,
                "{request}"
            );
        }
    }

    #[test]
    fn tells_what_was_never_made_use_of() {
        let requests = BTreeSet::from([
            asked("", "pods", "get", ["a", "b"], 200),
            asked("", "pods/status", "get", ["a", "b"], 404),
            // It was taken away for a while.
            asked("", "pods", "patch", ["a", "b"], 403),
            asked("x", "leases", "update", ["here", "one"], 200),
        ]);
        let unused: Vec<_> = unused(&grants(), &requests)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(unused, ["patch pods.", "patch pods/status."]);
    }

    #[test]
    fn reads_all_logs_and_the_operators_lines_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(requests(dir.path()).is_err());
        let line = |user: &str, verb: &str| {
            let event = json!({
                "verb": verb, "user": {"username": user},
                "objectRef": {"resource": "pods"}, "responseStatus": {"code": 200},
            });
            format!("{event}\n")
        };
        let operator = "system:serviceaccount:ecr-operator-system:ecr-operator";
        for (server, log, text) in [
            (
                "a",
                "audit.log",
                line(operator, "get") + &line("admin", "delete") + "{\"half",
            ),
            (
                "b",
                "audit-2026-01-02T03-04-05.000.log",
                line(operator, "list"),
            ),
            ("b", "apiserver.log", "nothing of it".to_owned()),
        ] {
            let server = dir.path().join(server);
            std::fs::create_dir_all(&server).unwrap();
            std::fs::write(server.join(log), text).unwrap();
        }
        let verbs: Vec<_> = requests(dir.path())
            .unwrap()
            .into_iter()
            .map(|it| it.verb)
            .collect();
        assert_eq!(verbs, ["get", "list"]);
    }
}
