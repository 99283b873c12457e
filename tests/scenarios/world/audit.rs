//! What the API server's audit log says: who asked for what, when, and what the API server accepted. By
//! which process the operator's writes were it tells, too: every token that is asked for has an id of its
//! own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::Value;
use xtask::install;

use super::{PATIENCE, Server, World};

pub(crate) const READS: [&str; 3] = ["get", "list", "watch"];

/// The objects that stand for repositories.
pub(super) const REPOSITORIES: &str = "ecrrepositories";

/// A request that was answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    #[serde(default)]
    pub(super) object_ref: Object,
    #[serde(default)]
    response_status: Answer,
    /// Of changes to kinds of ours, but for their status, what the API server answered.
    response_object: Option<Value>,
    request_received_timestamp: MicroTime,
    stage_timestamp: MicroTime,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    username: String,
    #[serde(default)]
    extra: Extra,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Extra {
    #[serde(default, rename = "authentication.kubernetes.io/credential-id")]
    credential: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    pub(super) resource: String,
    subresource: String,
    pub(super) namespace: String,
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    code: u16,
}

impl Entry {
    /// When the API server had received the request, in seconds since 1970.
    pub(super) fn received(&self) -> f64 {
        seconds(&self.request_received_timestamp)
    }

    /// When it had answered it.
    pub(super) fn completed(&self) -> f64 {
        seconds(&self.stage_timestamp)
    }

    pub(super) fn is_the_operators(&self) -> bool {
        self.user.username == install::user()
    }

    fn is_read(&self) -> bool {
        READS.contains(&self.verb.as_str())
    }

    /// Whether it was done as it was asked for.
    fn is_well(&self) -> bool {
        (200..300).contains(&self.response_status.code)
    }

    /// Whether it told the operator how this object of a repository is now.
    pub(super) fn tells_the_operator_of(&self, [namespace, name]: [&str; 2]) -> bool {
        let object = &self.object_ref;
        self.is_the_operators()
            && self.is_well()
            && (&*object.resource, &*object.namespace, &*object.name)
                == (REPOSITORIES, namespace, name)
    }

    /// Whether it deletes a definition, and so all objects of that kind, of which no log tells.
    pub(super) fn deletes_a_definition(&self) -> bool {
        self.verb == "delete"
            && self.is_well()
            && self.object_ref.resource == "customresourcedefinitions"
    }

    /// What was answered to a change of one of our kinds that was accepted and made.
    pub(super) fn change(&self) -> Option<&Value> {
        let made = self.is_well()
            && !self.is_read()
            && !self.request_uri.contains("dryRun=")
            && self.object_ref.subresource.is_empty();
        made.then(|| {
            self.response_object.as_ref().unwrap_or_else(|| {
                panic!("the control plane logs no answers; build it anew: make control-plane")
            })
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds since 1970 fit into the 53 bits of a f64"
)]
fn seconds(time: &MicroTime) -> f64 {
    time.0.as_microsecond() as f64 / 1e6
}

/// What has been read of a server's log: every part of it once, whoever asks.
#[derive(Default)]
struct Journal {
    file: Option<File>,
    /// The beginning of a line whose end is not written yet.
    half: Vec<u8>,
    /// The writes and the reads of repositories' objects, in the order of their answers, by namespace.
    entries: BTreeMap<String, Vec<Arc<Entry>>>,
    /// The marks that were asked for.
    marks: BTreeSet<String>,
}

static JOURNALS: Mutex<BTreeMap<PathBuf, Journal>> = Mutex::new(BTreeMap::new());

/// Config maps that nobody makes.
const MARK: &str = "mark-";

impl Journal {
    /// Reads what is new. A log that is full is given another name, and a new one is begun.
    fn read_on(&mut self, path: &Path) {
        loop {
            let inode = |file: &File| file.metadata().unwrap().ino();
            let newest = File::open(path).unwrap();
            let is_same = self.file.as_ref().map(inode) == Some(inode(&newest));
            // Also what was written until it was given another name.
            if let Some(file) = &mut self.file {
                file.read_to_end(&mut self.half).unwrap();
            }
            if is_same {
                break;
            }
            self.file = Some(newest);
        }
        let text = std::mem::take(&mut self.half);
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        let (whole, half) = text.split_at(whole.map_or(0, |end| end + 1));
        self.half = half.to_vec();
        for line in whole
            .split(|byte| *byte == b'\n')
            .filter(|it| !it.is_empty())
        {
            self.take(serde_json::from_slice(line).unwrap());
        }
    }

    fn take(&mut self, entry: Entry) {
        let object = &entry.object_ref;
        let reads_one = entry.verb == "get" && object.resource == REPOSITORIES;
        if reads_one || !entry.is_read() {
            let namespace = object.namespace.clone();
            let of_namespace = self.entries.entry(namespace).or_default();
            of_namespace.push(Arc::new(entry));
        } else if object.name.starts_with(MARK) {
            self.marks.insert(object.name.clone());
        }
    }
}

/// All writes, and reads of single repositories' objects, that were answered before this is asked for, in
/// the namespaces that are chosen; what is in none has "".
pub(super) async fn entries(
    server: &Server,
    client: &Client,
    is_chosen: impl Fn(&str) -> bool,
) -> Vec<Arc<Entry>> {
    let path = server.audit_log();
    // What comes after this has been asked for by nobody yet.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mark = format!("{MARK}{}", now.as_nanos());
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    assert!(maps.get_opt(&mark).await.unwrap().is_none());
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let reading = async {
        loop {
            ticks.tick().await;
            let mut journals = JOURNALS.lock().unwrap_or_else(PoisonError::into_inner);
            let journal = journals.entry(path.clone()).or_default();
            journal.read_on(&path);
            if journal.marks.remove(&mark) {
                let all = journal.entries.iter().filter(|(it, _)| is_chosen(it));
                return all.flat_map(|(_, entries)| entries).cloned().collect();
            }
        }
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    read.expect("the audit log is written")
}

/// 9, of Kubernetes: a process that another has followed never writes again to what is in the world's
/// namespace; one that is refused counts too. The lease, which two may ask for, is elsewhere. Gives how
/// many processes wrote, each of which has a token of its own.
pub(crate) async fn one_writer(world: &World) -> usize {
    let is_ours = |namespace: &str| namespace == world.namespace;
    let mut entries = entries(&world.server, &world.client, is_ours).await;
    entries.retain(|it| it.is_the_operators() && !it.is_read());
    entries.sort_by(|a, b| {
        let [a, b] = [a, b].map(|it| &it.request_received_timestamp);
        a.cmp(b)
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
