//! Every write is proved at the moment it is made. Where many wait for their turn, what permitted a write
//! may be over when its turn comes: then it is not made. The invariants judge every scenario by the times;
//! here the lines are long.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use ecr_emulator::{Call, Fault};
use ecr_operator::api::{ECRRepository, OWNER_TAG};
use futures::{StreamExt as _, future::join_all, stream};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use xtask::install;

use crate::{
    samples::keep_last,
    world::{
        ACCOUNT, REGION, Server, World, condition,
        estate::Estate,
        is_write,
        timed::{PROOF, TOLERANCE},
    },
};

pub(crate) const TEAM: &str = "team";
/// As many as there are passes at a time.
const MANY: usize = 32;
/// No line is long.
const AT_ONCE: u32 = 500;

fn class(writes: u32) -> Value {
    json!({
        "allowedNamespaces": {},
        "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
        "apiBudget": {"readsPerSecond": AT_ONCE, "writesPerSecond": writes},
    })
}

/// A cluster whose operator looks only when something changed.
async fn quiet(name: &str) -> Estate {
    let estate = Estate::quiet(name).await;
    pace(&estate, AT_ONCE).await;
    estate.namespace(TEAM, json!({})).await;
    estate
}

/// From now on there are so many writes of an operation a second.
async fn pace(estate: &Estate, writes: u32) {
    let applied = estate.default_class("default", class(writes)).await;
    let observed = |it: &crate::world::estate::Object| {
        it.data["status"]["observedGeneration"].as_i64() >= applied.metadata.generation
    };
    estate
        .wait(&estate.classes(), "default", "observed", observed)
        .await;
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("api-{n:02}")).collect()
}

/// Applies many at once.
async fn apply(estate: &Estate, names: &[String], spec: &Value) {
    let applied = names
        .iter()
        .map(|name| estate.apply(TEAM, name, spec.clone()));
    stream::iter(applied)
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
}

/// The same, and waits until all are Ready.
async fn made(estate: &Estate, names: &[String], spec: &Value) {
    apply(estate, names, spec).await;
    for name in names {
        estate.ready(TEAM, name).await;
    }
}

pub(crate) fn repository(name: &str) -> String {
    format!("{TEAM}/{name}")
}

pub(crate) fn is_about(call: &Call, name: &str) -> bool {
    let arn = call.input["resourceArn"].as_str().unwrap_or_default();
    let repository = repository(name);
    call.input["repositoryName"] == *repository
        || arn.ends_with(&format!(":repository/{repository}"))
}

pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

/// Deletes all that are still there, at once; when the API server had accepted it, by name.
async fn delete_all(estate: &Estate, names: &[String]) -> BTreeMap<String, f64> {
    let api = estate.repositories(TEAM);
    let deleted = join_all(names.iter().map(|name| async {
        api.delete(name, &DeleteParams::default()).await.unwrap();
        (name.clone(), now())
    }));
    deleted.await.into_iter().collect()
}

/// Changes an object that may be gone; when the API server had accepted it, if it was there.
pub(crate) async fn change(estate: &Estate, name: &str, spec: Value) -> Option<f64> {
    let patch = Patch::Merge(json!({"spec": spec}));
    let api = estate.repositories(TEAM);
    match api.patch(name, &PatchParams::default(), &patch).await {
        Ok(_) => Some(now()),
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        Err(error) => panic!("{name} can't be changed: {error}"),
    }
}

/// The calls that came later than they were permitted, by when that ended for each name, and by how much.
pub(crate) fn late(
    estate: &Estate,
    operation: &str,
    ended: &BTreeMap<String, f64>,
    by: f64,
) -> Vec<String> {
    let calls = estate.calls();
    let of_it = calls.iter().filter(|call| call.operation == operation);
    let told = of_it.filter_map(|call| {
        let (name, end) = ended.iter().find(|(name, _)| is_about(call, name))?;
        let after = call.arrived - end;
        (after > by).then(|| format!("{operation} of {name}, {after:.3} s later"))
    });
    told.collect()
}

/// Many are deleted with their images; then the half of them that is left is told otherwise.
async fn deleted_and_told_otherwise(estate: Estate, names: Vec<String>, gone_first: usize) {
    for name in &names {
        estate.push(ACCOUNT, REGION, &repository(name), "v1");
    }
    delete_all(&estate, &names).await;
    estate
        .until("the first to go", |it| {
            it.emulator.repositories(ACCOUNT, REGION).len() + gone_first <= names.len()
        })
        .await;
    let objects = estate.repositories(TEAM).list(&ListParams::default()).await;
    let left: Vec<_> = objects
        .unwrap()
        .iter()
        .map(kube::ResourceExt::name_any)
        .collect();
    let otherwise = [
        json!({"deletionPolicy": "Retain"}),
        json!({"suspend": true}),
        json!({"managementPolicy": "Observe"}),
    ];
    let changes = left
        .iter()
        .zip(otherwise.iter().cycle())
        .map(|(name, spec)| async {
            let accepted = change(&estate, name, spec.clone()).await?;
            Some((name.clone(), accepted))
        });
    let accepted: BTreeMap<_, _> = join_all(changes).await.into_iter().flatten().collect();
    assert!(
        accepted.len() >= names.len() / 3,
        "the line is long: {left:?}"
    );
    let repositories = estate.repositories(TEAM);
    for name in &left {
        estate.gone(&repositories, name).await;
    }
    assert_eq!(
        late(&estate, "DeleteRepository", &accepted, TOLERANCE),
        [""; 0],
        "images are gone"
    );
    let calls = estate.calls();
    for name in accepted.keys() {
        let called = calls
            .iter()
            .any(|it| it.operation == "DeleteRepository" && is_about(it, name));
        let held = estate
            .emulator
            .repository(ACCOUNT, REGION, &repository(name));
        assert!(
            called || held.is_some_and(|it| it.images.len() == 1),
            "{name}"
        );
    }
    estate.finish().await;
}

async fn to_be_deleted_with_images(name: &str, writes: u32) -> (Estate, Vec<String>) {
    let estate = quiet(name).await;
    let names = names(MANY);
    made(
        &estate,
        &names,
        &json!({"deletionPolicy": "DeleteWithImages"}),
    )
    .await;
    pace(&estate, writes).await;
    (estate, names)
}

#[tokio::test]
async fn no_image_goes_after_its_object_is_told_otherwise_at_the_usual_pace() {
    let (estate, names) = to_be_deleted_with_images("proof-usual", 5).await;
    deleted_and_told_otherwise(estate, names, 8).await;
}

#[tokio::test]
async fn no_image_goes_after_its_object_is_told_otherwise_at_a_slow_pace() {
    let (estate, names) = to_be_deleted_with_images("proof-slow", 1).await;
    deleted_and_told_otherwise(estate, names, 3).await;
}

#[tokio::test]
async fn no_image_goes_after_its_object_is_told_otherwise_where_aws_throttles() {
    let (estate, names) = to_be_deleted_with_images("proof-throttled", 1).await;
    // From one a second to about a quarter.
    let throttled = Fault::on("DeleteRepository").times(2).throttle();
    estate.emulator.inject(throttled);
    deleted_and_told_otherwise(estate, names, 1).await;
}

#[tokio::test]
async fn nothing_is_created_for_what_was_deleted_while_it_waited() {
    let estate = quiet("proof-created").await;
    pace(&estate, 1).await;
    let names = names(MANY);
    apply(&estate, &names, &json!({})).await;
    estate.more("CreateRepository", 2).await;
    let gone = delete_all(&estate, &names).await;
    // It comes after all of them in the line.
    estate.apply(TEAM, "last", json!({})).await;
    estate.ready(TEAM, "last").await;
    assert_eq!(late(&estate, "CreateRepository", &gone, TOLERANCE), [""; 0]);
    estate.finish().await;
}

/// Objects at rest, so many of which have a change waiting in a long line; then those of `victims`, whose
/// changes wait behind it.
async fn behind_a_line(name: &str, victims: &[&str]) -> Estate {
    let estate = quiet(name).await;
    let others = names(30);
    let victims: Vec<_> = victims.iter().map(|&it| it.to_owned()).collect();
    let spec = |count: i64| json!({"lifecyclePolicy": keep_last(count)});
    let last = ["last".to_owned()];
    made(&estate, &[&others[..], &victims, &last].concat(), &spec(10)).await;
    pace(&estate, 2).await;
    apply(&estate, &others, &spec(20)).await;
    estate.more("PutLifecyclePolicy", 1).await;
    apply(&estate, &victims, &spec(20)).await;
    // Time enough for all that they may read before their turn.
    estate.more("PutLifecyclePolicy", 4).await;
    let calls = estate.calls();
    for name in &victims {
        let written = calls
            .iter()
            .filter(|it| it.operation == "PutLifecyclePolicy" && is_about(it, name));
        assert_eq!(written.count(), 1, "{name} stands behind in the line");
    }
    estate
}

/// Waits until all that stood in the line has had its turn.
async fn end_of_line(estate: &Estate) {
    estate
        .apply(TEAM, "last", json!({"lifecyclePolicy": keep_last(20)}))
        .await;
    estate.ready(TEAM, "last").await;
}

#[tokio::test]
async fn nothing_is_written_to_what_is_no_longer_ours_when_its_turn_comes() {
    let estate = behind_a_line("proof-robbed", &["robbed", "freed"]).await;
    let mark = estate.calls().len();
    let arn = |name: &str| {
        let held = estate
            .emulator
            .repository(ACCOUNT, REGION, &repository(name));
        held.unwrap().arn
    };
    let tag = json!({"Key": OWNER_TAG, "Value": "elsewhere/web/api"});
    let robbed = json!({"resourceArn": arn("robbed"), "tags": [tag]});
    let freed = json!({"resourceArn": arn("freed"), "tagKeys": [OWNER_TAG]});
    for (operation, input) in [("TagResource", robbed), ("UntagResource", freed)] {
        let done = estate.emulator.call(ACCOUNT, REGION, operation, input);
        done.unwrap();
    }
    end_of_line(&estate).await;
    let calls = estate.calls();
    let written = calls[mark..].iter().filter(|it| is_write(it));
    let written: Vec<_> = written
        .filter(|it| ["robbed", "freed"].iter().any(|name| is_about(it, name)))
        .map(|it| (&it.operation, &it.owner_before))
        .collect();
    assert_eq!(written, [], "written to what is not ours");
    estate.stalled(TEAM, "robbed", "NameConflict").await;
    estate.stalled(TEAM, "freed", "OwnerTagMissing").await;
    estate.finish().await;
}

#[tokio::test]
async fn nothing_is_written_for_what_was_suspended_or_only_observes_when_its_turn_comes() {
    let victims = ["suspended", "observed", "gone"];
    let estate = behind_a_line("proof-paused", &victims).await;
    let mut ended = delete_all(&estate, &["gone".to_owned()]).await;
    for (name, spec) in [
        ("suspended", json!({"suspend": true})),
        ("observed", json!({"managementPolicy": "Observe"})),
    ] {
        let accepted = change(&estate, name, spec).await;
        ended.insert(name.to_owned(), accepted.unwrap());
    }
    end_of_line(&estate).await;
    assert_eq!(
        late(&estate, "PutLifecyclePolicy", &ended, PROOF + TOLERANCE),
        [""; 0]
    );
    estate.finish().await;
}

/// Applies the only class of a server, by which each operation is made so many times a second.
async fn default_class(server: &Server, writes: u32) {
    let mut spec = class(writes);
    spec["adoption"] = json!("IfUnowned");
    spec["allowedNames"] = json!(["**"]);
    let class = json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepositoryClass",
        "metadata": {
            "name": "default",
            "annotations": {"ecr-operator.dev/is-default-class": "true"},
        },
        "spec": spec,
    });
    let apply = ["apply", "--server-side", "-f", "-"];
    let applied = server.kubectl.run_with(&apply, &class.to_string()).await;
    applied.unwrap();
}

/// How many tags the world's operator has written.
fn tagged(world: &World) -> usize {
    let calls = world.calls();
    let tagged = calls
        .iter()
        .filter(|it| it.operation == "TagResource" && it.applied);
    tagged.count()
}

#[tokio::test]
async fn of_two_clusters_that_adopt_behind_long_lines_one_owns_it_and_the_other_says_so() {
    let (control_plane, dir) = Server::bare("proof-contested").await;
    install::apply_install(control_plane.kubeconfig())
        .await
        .unwrap();
    let server = Server::of(&control_plane, &dir).await;
    default_class(&server, AT_ONCE).await;
    let mut east = World::on(server.clone(), "east").await;
    let mut west = east.sibling("west").await;
    east.cluster("east");
    west.cluster("west");
    for world in [&mut east, &mut west] {
        world.seldom();
        world.start_operator().await;
    }
    // All of it exists, and both clusters know.
    let others = names(14);
    let contested = east.in_ecr("contested");
    let adopt = |policy: &str| json!({"adoption": {"policy": policy}});
    let claim = |mutability: &str, policy: &str| {
        let mut spec = adopt(policy);
        spec["repositoryName"] = json!(contested);
        spec["imageTagMutability"] = json!(mutability);
        spec
    };
    for name in &others {
        east.make_outside(&east.in_ecr(name), &[]);
        east.permit_adoption(name);
        east.apply(name, adopt("Never")).await;
    }
    east.make_outside(&contested, &[]);
    for (world, name) in [(&mut east, "mine"), (&mut west, "rival")] {
        world.permit_adoption("contested");
        world.apply(name, claim("MUTABLE", "Never")).await;
        world.stalled(name, "AlreadyExists").await;
    }
    for name in &others {
        east.stalled(name, "AlreadyExists").await;
    }
    // The east's line is long, and what is contested stands at its end.
    for world in [&mut east, &mut west] {
        world.stop_operator().await;
    }
    default_class(&server, 1).await;
    for world in [&mut east, &mut west] {
        world.start_operator().await;
    }
    let adopted = others
        .iter()
        .map(|name| east.apply(name, adopt("IfUnowned")));
    join_all(adopted).await;
    east.until("the first to be tagged", |it| tagged(it) >= 1)
        .await;
    east.apply("mine", claim("MUTABLE", "IfUnowned")).await;
    east.until("some to be tagged", |it| tagged(it) >= 4).await;
    let held = east.held(&contested);
    assert_eq!(held.tags.get(OWNER_TAG), None, "it stands behind");
    west.apply("rival", claim("IMMUTABLE", "IfUnowned")).await;
    let decided = |object: &ECRRepository| {
        condition(object, "Ready") == Some(("True", "Synced"))
            || condition(object, "Stalled") == Some(("True", "NameConflict"))
    };
    let rival = west.wait("rival", "decided", decided).await;
    let mine = east.wait("mine", "decided", decided).await;
    let calls = east.calls();
    let over: Vec<_> = calls
        .iter()
        .filter(|it| is_write(it) && it.input["resourceArn"] == held.arn)
        .map(|it| (&it.operation, &it.owner_before))
        .collect();
    assert_eq!(over, [], "the first tag stays");
    let conflict = Some(("True", "NameConflict"));
    assert_eq!(condition(&mine, "Stalled"), conflict, "the loser says so");
    assert_eq!(condition(&rival, "Ready"), Some(("True", "Synced")));
    let held = east.held(&contested);
    assert_eq!(
        held.tags[OWNER_TAG],
        format!("west/{}/rival", west.namespace)
    );
    assert_eq!(held.image_tag_mutability, "IMMUTABLE");
    east.finish_looking().await;
    west.finish_looking().await;
}

/// The same of all.
fn ended_for_all(names: &[String], at: f64) -> BTreeMap<String, f64> {
    names.iter().map(|name| (name.clone(), at)).collect()
}

#[tokio::test]
async fn no_image_goes_after_its_class_keeps_them_however_long_the_reads_wait() {
    let (estate, names) = to_be_deleted_with_images("proof-kept", AT_ONCE).await;
    for name in &names {
        estate.push(ACCOUNT, REGION, &repository(name), "v1");
    }
    let mut slow = class(AT_ONCE);
    slow["apiBudget"]["readsPerSecond"] = json!(1);
    let applied = estate.default_class("default", slow.clone()).await;
    let is_observed = |it: &crate::world::estate::Object| {
        it.data["status"]["observedGeneration"].as_i64() >= applied.metadata.generation
    };
    estate
        .wait(&estate.classes(), "default", "observed", is_observed)
        .await;
    delete_all(&estate, &names).await;
    estate.more("DeleteRepository", 2).await;
    slow["enforced"] = json!({"deletionPolicy": "Retain"});
    estate.default_class("default", slow).await;
    let ended = ended_for_all(&names, now());
    let repositories = estate.repositories(TEAM);
    for name in &names {
        estate.gone(&repositories, name).await;
    }
    let by = PROOF + TOLERANCE;
    assert_eq!(late(&estate, "DeleteRepository", &ended, by), [""; 0]);
    let left = estate.emulator.repositories(ACCOUNT, REGION).len();
    assert!(left >= names.len() / 2, "the line is long: {left}");
    estate.finish().await;
}

#[tokio::test]
async fn nothing_is_created_for_a_namespace_that_lost_its_class_meanwhile() {
    let estate = quiet("proof-label").await;
    let admitted = json!({"team": "yes"});
    estate.namespace(TEAM, admitted.clone()).await;
    let mut limited = class(1);
    limited["allowedNamespaces"] = json!({"matchLabels": admitted});
    estate.default_class("default", limited).await;
    let names = names(12);
    apply(&estate, &names, &json!({})).await;
    estate.more("CreateRepository", 2).await;
    estate.namespace(TEAM, json!({"team": "no"})).await;
    let ended = ended_for_all(&names, now());
    for name in &names {
        estate.stalled(TEAM, name, "NotPermitted").await;
    }
    let by = PROOF + TOLERANCE;
    assert_eq!(late(&estate, "CreateRepository", &ended, by), [""; 0]);
    let made = estate.emulator.repositories(ACCOUNT, REGION).len();
    assert!(made < names.len() / 2, "the line is long: {made}");
    estate.finish().await;
}
