//! What must hold in every scenario, over the emulator's call log and the API server's watch and audit
//! log. The numbers are those of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use ecr_emulator::Call;
use ecr_operator::api::{ECRRepository, ManagementPolicy, OWNER_TAG};
use kube::{ResourceExt, api::ListParams};
use serde_json::Value;

use super::{
    CLUSTER, Canaries, Server, World, audit, condition, kstatus, timed::Timed, told, truth,
};

const WRITES: [&str; 10] = [
    "CreateRepository",
    "DeleteLifecyclePolicy",
    "DeleteRepository",
    "DeleteRepositoryPolicy",
    "PutImageScanningConfiguration",
    "PutImageTagMutability",
    "PutLifecyclePolicy",
    "SetRepositoryPolicy",
    "TagResource",
    "UntagResource",
];

const READS: [&str; 7] = [
    "DescribeImages",
    "DescribeRepositories",
    "GetCallerIdentity",
    "GetLifecyclePolicy",
    "GetRepositoryPolicy",
    "GetResources",
    "ListTagsForResource",
];

pub(crate) fn is_write(call: &Call) -> bool {
    WRITES.contains(&call.operation.as_str())
}

/// 4 and 5: what is settled stays so for two resyncs, without a write to ECR or to Kubernetes.
pub(crate) async fn rests(world: &World) {
    let watched: Vec<_> = objects(world)
        .await
        .into_iter()
        .filter(is_settled)
        .collect();
    let mark = world.calls().len();
    for object in &watched {
        world.looks(&in_ecr(object), 2).await;
    }
    if let Some(object) = watched.first() {
        looks_seldom(world, &in_ecr(object)).await;
    }
    let names: BTreeSet<_> = watched.iter().map(in_ecr).collect();
    let written: Vec<_> = world.calls()[mark..]
        .iter()
        .filter(|call| is_write(call) && addressed(call).is_some_and(|name| names.contains(&name)))
        .map(told)
        .collect();
    assert!(written.is_empty(), "settled means no writes: {written:#?}");
    for before in watched {
        let now = world.get(&before.name_any()).await;
        assert_eq!(
            (now.resource_version(), &now.status),
            (before.resource_version(), &before.status),
            "at rest nothing is patched"
        );
    }
}

/// Looks at rest come with the resync, which is two seconds. Of three, the first two may have come
/// together, where a machine was too busy to answer one in time.
async fn looks_seldom(world: &World, repository: &str) {
    let sharing = objects(world).await;
    if sharing.iter().filter(|o| in_ecr(o) == repository).count() > 1 {
        return;
    }
    let mark = world.calls().len();
    world.looks(repository, 3).await;
    let calls = world.calls();
    let looks = calls[mark..]
        .iter()
        .filter(|call| super::is_look(call, repository) || super::is_sweep(call));
    let times: Vec<_> = looks.map(|call| call.time).collect();
    let took = times[2] - times[0];
    assert!(
        took > 0.5,
        "4: {repository} is looked at three times in {took} seconds"
    );
}

async fn objects(world: &World) -> Vec<ECRRepository> {
    world
        .api()
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
}

fn is_settled(object: &ECRRepository) -> bool {
    object.metadata.deletion_timestamp.is_none()
        && object.spec.suspend != Some(true)
        && condition(object, "Ready").is_some_and(|(ready, _)| ready == "True")
}

fn in_ecr(object: &ECRRepository) -> String {
    let bound = object
        .status
        .as_ref()
        .and_then(|s| s.repository_name.clone());
    bound.unwrap_or_default()
}

/// The repository that a call is about.
pub(super) fn addressed(call: &Call) -> Option<String> {
    let by_name = call.input.get("repositoryName").and_then(Value::as_str);
    let by_arn = call.input.get("resourceArn").and_then(Value::as_str);
    by_name
        .or_else(|| Some(by_arn?.split_once(":repository/")?.1))
        .map(ToOwned::to_owned)
}

/// All the others.
pub(crate) async fn hold(world: &World, log: &str) {
    let versions = world.recorder.versions();
    let calls = world.calls();
    only_known_calls(&calls);
    no_unowned_write(world, &calls);
    nothing_is_lost(&calls);
    permitted_when_it_was_done(world, &calls).await;
    one_creation(world, &calls, &versions);
    one_writer(&calls);
    the_object_is_the_users(&versions);
    status_is_true(world).await;
    for object in &versions {
        let broken = kstatus::broken(object);
        assert!(broken.is_empty(), "{broken:?} in {:#?}", object.status);
    }
    no_secret(world, &versions, log).await;
    assert!(!log.contains("panicked"), "12: no panic:\n{log}");
}

fn only_known_calls(calls: &[Call]) {
    for call in calls {
        let known = is_write(call) || READS.contains(&call.operation.as_str());
        assert!(
            known,
            "2: an operation that the operator has no business with: {}",
            told(call)
        );
    }
}

/// The owner that the repository's tags named when the call came.
pub(super) fn owner(call: &Call) -> Option<&str> {
    call.owner_before
        .as_ref()?
        .get(OWNER_TAG)
        .map(String::as_str)
}

/// 1 and 10: no write but to what is ours by its tag at that moment.
fn no_unowned_write(world: &World, calls: &[Call]) {
    for (index, call) in calls.iter().enumerate() {
        if !is_write(call) || !call.applied || !call.existed_before {
            continue;
        }
        let ours = owner(call).is_some_and(|owner| {
            let cluster = owner.split('/').next().unwrap_or_default();
            let previous = world.flags.iter().any(|flag| {
                flag.strip_prefix("--previous-cluster-names=")
                    .is_some_and(|names| names.split(',').any(|n| n == cluster))
            });
            (cluster == world.cluster || previous)
                && owner.split('/').nth(1) == Some(world.namespace.as_str())
        });
        let adopts = call.operation == "TagResource"
            && addressed(call).is_some_and(|name| {
                let read = calls[..index]
                    .iter()
                    .rev()
                    .find(|c| addressed(c).as_ref() == Some(&name));
                let proved = read.is_some_and(|c| c.operation == "ListTagsForResource");
                proved
                    && world
                        .adopters
                        .contains(name.rsplit('/').next().unwrap_or_default())
            });
        assert!(
            ours || adopts,
            "1: a write to what is not ours: {} (owner {:?})",
            told(call),
            owner(call)
        );
    }
}

/// 1, of a whole cluster: no write but to what has an owner of its own, and the tags of these, which may be adopted.
pub(crate) fn no_unowned_write_of_a_cluster(cluster: &str, calls: &[Call], adopted: &[String]) {
    let adopts = |call: &Call| {
        let at = addressed(call);
        call.operation == "TagResource" && at.is_some_and(|name| adopted.contains(&name))
    };
    let writes = calls.iter().filter(|call| is_write(call) && call.applied);
    let writes = writes.filter(|call| owner(call).is_some() || !adopts(call));
    for call in writes.filter(|call| call.existed_before) {
        let prefix = format!("{cluster}/");
        assert!(
            owner(call).is_some_and(|owner| owner.starts_with(&prefix)),
            "1: a write to what is not ours: {} (owner {:?})",
            told(call),
            owner(call)
        );
    }
}

/// 2: images go by force alone.
fn nothing_is_lost(calls: &[Call]) {
    for call in calls
        .iter()
        .filter(|c| c.operation == "DeleteRepository" && c.applied && c.answer.is_ok())
    {
        let force = call.input.get("force") == Some(&Value::Bool(true));
        assert!(
            force || call.images_before == 0,
            "2: images are gone by {}",
            told(call)
        );
    }
}

/// 1, 2, 3, 8 and 10, by the time: what was done was permitted then.
async fn permitted_when_it_was_done(world: &World, calls: &[Call]) {
    let chosen = |it: &str| it.is_empty() || it == world.namespace;
    let entries = audit::entries(&world.server, &world.client, chosen).await;
    let previous = world.flags.iter();
    let previous = previous.filter_map(|it| it.strip_prefix("--previous-cluster-names="));
    let names = previous
        .flat_map(|it| it.split(','))
        .chain([&*world.cluster]);
    let broken = Timed::new(&entries, calls, names).broken();
    assert!(broken.is_empty(), "not permitted: {}", broken.join("\n"));
}

/// The same of a whole cluster.
pub(crate) async fn permitted_in_a_cluster(server: &Server, client: &kube::Client, calls: &[Call]) {
    let entries = audit::entries(server, client, |_| true).await;
    let broken = Timed::new(&entries, calls, [CLUSTER]).broken();
    assert!(broken.is_empty(), "not permitted: {}", broken.join("\n"));
}

/// 3: one creation for each object and disappearance.
fn one_creation(world: &World, calls: &[Call], versions: &[ECRRepository]) {
    let mut created: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls
        .iter()
        .filter(|c| c.operation == "CreateRepository" && c.applied && c.answer.is_ok())
    {
        let name = addressed(call).unwrap_or_default();
        *created.entry(name).or_default() += 1;
    }
    for (name, count) in created {
        let lost = world.lost.iter().filter(|lost| **lost == name).count();
        let objects: BTreeSet<_> = versions.iter().map(ResourceExt::uid).collect();
        assert!(
            count <= objects.len() + lost,
            "3: {name} was created {count} times"
        );
    }
}

/// 9: a process that another has followed never writes again. Where several run, each has an access key
/// of its own.
fn one_writer(calls: &[Call]) {
    let mut past = BTreeSet::new();
    let mut writer = "";
    for call in calls.iter().filter(|call| is_write(call) && call.applied) {
        if call.access_key != writer {
            past.insert(writer);
            writer = &call.access_key;
        }
        assert!(
            !past.contains(writer),
            "9: two write: {} by {writer}",
            told(call)
        );
    }
}

/// 6: of the object we own status and one finalizer.
fn the_object_is_the_users(versions: &[ECRRepository]) {
    for object in versions {
        for entry in object.managed_fields() {
            if entry.manager.as_deref() != Some("ecr-operator")
                || entry.subresource.as_deref() == Some("status")
            {
                continue;
            }
            let fields = entry
                .fields_v1
                .as_ref()
                .map(|f| f.0.clone())
                .unwrap_or_default();
            let ours = fields.as_object().is_none_or(|top| {
                top.iter().all(|(key, value)| {
                    key == "f:metadata"
                        && value
                            .as_object()
                            .is_some_and(|m| m.keys().all(|key| key == "f:finalizers"))
                })
            });
            assert!(ours, "6: the operator wrote {fields}");
        }
    }
}

/// 7: what says Ready is so in ECR.
pub(crate) async fn status_is_true(world: &World) {
    for object in objects(world).await {
        let observes = object.spec.management_policy == Some(ManagementPolicy::Observe);
        let current = object.status.as_ref().and_then(|s| s.observed_generation)
            == object.metadata.generation;
        if !is_settled(&object) || observes || !current {
            continue;
        }
        let name = in_ecr(&object);
        let repository = world
            .emulator
            .repository(super::ACCOUNT, super::REGION, &name);
        let repository = repository.unwrap_or_else(|| panic!("7: {name} is Ready and not there"));
        let differences = truth::differences(&object, &repository);
        assert!(
            differences.is_empty(),
            "7: {name} is Ready and not so: {differences:#?}"
        );
    }
}

/// 11: no secret shows up.
async fn no_secret(world: &World, versions: &[ECRRepository], log: &str) {
    let canaries = Canaries::of(&world.server);
    canaries.are_not_in("the log", log);
    for object in versions {
        canaries.are_not_in("an object", &serde_json::to_string(object).unwrap());
        for (_, _, note) in world.events(&object.name_any()).await {
            canaries.are_not_in("an event", &note);
        }
    }
}
