//! What the API server's audit log says of the operator's writes, and by which process each was: every
//! token that is asked for has an id of its own, which the log names.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde::Deserialize;
use xtask::{install, rights};

use super::World;

pub(crate) const READS: [&str; 3] = ["get", "list", "watch"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    /// To the microsecond and in UTC, so that the order of the texts is that of the times.
    request_received_timestamp: String,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
    #[serde(default)]
    extra: Extra,
}

#[derive(Debug, Default, Deserialize)]
struct Extra {
    #[serde(default, rename = "authentication.kubernetes.io/credential-id")]
    credential: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    namespace: String,
    name: String,
}

/// 9, of Kubernetes: a process that another has followed never writes again to what is in the world's
/// namespace; one that is refused counts too. The lease, which two may ask for, is elsewhere. Gives how
/// many processes wrote, each of which has a token of its own.
pub(crate) async fn one_writer(world: &World) -> usize {
    let operator = install::user();
    let mut entries = entries(world).await;
    entries.retain(|it| {
        it.user.username == operator
            && it.object_ref.namespace == world.namespace
            && !READS.contains(&it.verb.as_str())
    });
    entries.sort_by(|a, b| {
        a.request_received_timestamp
            .cmp(&b.request_received_timestamp)
    });
    let mut past = BTreeSet::new();
    let mut writer = None;
    for entry in &entries {
        let [credential] = entry.user.extra.credential.as_slice() else {
            panic!("no one token wrote: {entry:?}");
        };
        if writer != Some(credential) {
            past.extend(writer);
            writer = Some(credential);
        }
        assert!(!past.contains(credential), "9: two write: {entry:?}");
    }
    past.extend(writer);
    past.len()
}

/// All that has been logged about the world's namespace.
async fn entries(world: &World) -> Vec<Entry> {
    let directory = world.server.operator.parent().unwrap();
    // What comes after this has been asked for by nobody yet.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mark = format!("mark-{}", now.as_nanos());
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &world.namespace);
    assert!(maps.get_opt(&mark).await.unwrap().is_none());
    let logged = || rights::logged(directory).unwrap();
    let has_mark = |_: &World| logged().iter().any(|line| line.contains(&mark));
    world.until("the audit log to be written", has_mark).await;
    let lines = logged().into_iter();
    let of_world = lines.filter(|line| line.contains(&world.namespace));
    let read = |line: String| serde_json::from_str(&line).unwrap();
    of_world.map(read).collect()
}
