//! Several who want one repository at the same instant; and what adopting leaves as it is.

use std::time::Duration;

use ecr_emulator::Fault;
use ecr_operator::api::{ECRRepository, OWNER_TAG};
use serde_json::{Value, json};

use crate::looking::is_about;
use crate::world::{ACCOUNT, CLUSTER, REGION, World, assert_says, condition, is_write, message};

/// Long enough for everybody's call to be on the way before the first takes effect.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// Holds the next two calls of an operation on a repository back.
fn hold_two(world: &World, operation: &str, repository: &str) {
    let fault = Fault::on(operation).repository(repository).times(2);
    world.emulator.inject(fault.delay(ON_THE_WAY));
}

/// Waits until the object has the repository, or says that another has. True: it has it.
async fn has_it(world: &World, name: &str) -> bool {
    let decided = |object: &ECRRepository| {
        condition(object, "Ready") == Some(("True", "Synced"))
            || condition(object, "Stalled") == Some(("True", "NameConflict"))
    };
    let object = world.wait(name, "a decision", decided).await;
    let lost = condition(&object, "Stalled").is_some();
    if lost {
        assert_says(message(&object, "Stalled"), "spec.repositoryName");
        assert_eq!(object.status.unwrap().arn, None);
    }
    !lost
}

/// One who wants to have a repository: whose world, by which object, with which mode.
type Adopter<'a> = (&'a World, &'static str, &'static str);

/// Of two, one has the repository in the end and the other has written nothing but its tags.
async fn one_of(repository: &str, adopters: [Adopter<'_>; 2]) {
    let mut owners = Vec::new();
    for (world, name, mode) in adopters {
        if has_it(world, name).await {
            owners.push((world, name, mode));
        }
    }
    let [(world, name, mode)] = owners.as_slice() else {
        panic!("{} have {repository}", owners.len());
    };
    let held = world.held(repository);
    assert_says(
        &held.tags[OWNER_TAG],
        &format!("{}/{name}", world.namespace),
    );
    assert_eq!(&held.image_tag_mutability, mode);
    let written = writes_of_all(world, repository);
    assert_eq!(
        written,
        ["TagResource", "TagResource", "PutImageTagMutability"]
    );
}

/// The writes of all operators to a repository that took effect.
fn writes_of_all(world: &World, repository: &str) -> Vec<String> {
    let mut calls = world.emulator.log();
    calls.retain(|call| {
        is_about(call, repository) && call.applied && call.answer.is_ok() && is_write(call)
    });
    calls.into_iter().map(|call| call.operation).collect()
}

#[tokio::test]
async fn of_two_that_adopt_at_once_one_owns_it_and_the_other_wrote_its_tags_at_most() {
    let mut world = World::without_operator("adopters").await;
    let mut other = world.sibling("other-adopters").await;
    other.cluster("other-cluster");
    let names = ["unowned", "legacy", "mine"].map(|name| world.in_ecr(name));
    let [unowned, legacy, mine] = &names;
    world.make_outside(unowned, &[]);
    world.make_outside(legacy, &[(OWNER_TAG, "gone/shop/api")]);
    world.make_outside(mine, &[]);
    for repository in &names {
        hold_two(&world, "TagResource", repository);
    }
    for name in ["unowned", "legacy", "mine"] {
        world.permit_adoption(name);
        other.permit_adoption(name);
    }
    let if_unowned = json!({"policy": "IfUnowned"});
    let take_over = json!({"policy": "TakeOver", "from": "gone/shop/api"});
    let ask = |repository: &str, adoption: &Value, mode: &str| json!({"repositoryName": repository, "adoption": adoption, "imageTagMutability": mode});
    let (first, second) = ("MUTABLE", "IMMUTABLE_WITH_EXCLUSION");
    let excluding = |adoption: &Value, repository: &str| {
        let mut spec = ask(repository, adoption, second);
        spec["imageTagMutabilityExclusionFilters"] =
            json!([{"filterType": "WILDCARD", "filter": "a*"}]);
        spec
    };
    world.start_operator().await;
    other.start_operator().await;
    world
        .apply("unowned-1", ask(unowned, &if_unowned, first))
        .await;
    other
        .apply("unowned-2", excluding(&if_unowned, unowned))
        .await;
    world
        .apply("legacy-1", ask(legacy, &take_over, first))
        .await;
    other.apply("legacy-2", excluding(&take_over, legacy)).await;
    world.apply("mine-1", ask(mine, &if_unowned, first)).await;
    world.apply("mine-2", excluding(&if_unowned, mine)).await;
    world.struck().await;
    let written = world.emulator.log();
    let tagged = written
        .iter()
        .filter(|c| c.operation == "TagResource")
        .count();
    assert_eq!(tagged, 0, "all of them saw it before any tag was there");

    one_of(
        unowned,
        [(&world, "unowned-1", first), (&other, "unowned-2", second)],
    )
    .await;
    one_of(
        legacy,
        [(&world, "legacy-1", first), (&other, "legacy-2", second)],
    )
    .await;
    one_of(
        mine,
        [(&world, "mine-1", first), (&world, "mine-2", second)],
    )
    .await;
    world.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn of_two_clusters_that_create_at_once_one_owns_it() {
    let mut world = World::new("creators").await;
    let mut other = world.sibling("other-creators").await;
    other.cluster("other-cluster");
    other.start_operator().await;
    let repository = world.in_ecr("shared");
    let spec = |team: &str| json!({"repositoryName": repository, "tags": {"team": team}});
    hold_two(&world, "CreateRepository", &repository);
    world.apply("api", spec("first")).await;
    other.apply("api", spec("second")).await;
    world.struck().await;
    assert_eq!(world.emulator.repositories(ACCOUNT, REGION), [""; 0]);
    let has = (has_it(&world, "api").await, has_it(&other, "api").await);
    let tags = world.held(&repository).tags;
    let (cluster, owner, team) = match has {
        (true, false) => (CLUSTER, &world, "first"),
        (false, true) => ("other-cluster", &other, "second"),
        both => panic!("{both:?}"),
    };
    assert_eq!(
        tags[OWNER_TAG],
        format!("{cluster}/{}/api", owner.namespace)
    );
    assert_eq!(tags["team"], team);
    assert_eq!(world.written().len() + other.written().len(), 1);
    world.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn a_flip_of_what_is_permitted_acts_at_once() {
    let mut world = World::quiet("flip").await;
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[]);
    world
        .apply("api", json!({"imageTagMutability": "MUTABLE"}))
        .await;
    world.stalled("api", "AlreadyExists").await;
    // What it would do comes first, and writes nothing.
    let asks = |management: &str| json!({"imageTagMutability": "MUTABLE", "adoption": {"policy": "IfUnowned"}, "managementPolicy": management});
    world.apply("api", asks("Observe")).await;
    let planned = |object: &ECRRepository| {
        let pending = object.status.iter().flat_map(|s| &s.pending);
        pending
            .map(|p| p.action.as_str())
            .eq(["TagResource", "PutImageTagMutability"])
    };
    world.wait("api", "the plan", planned).await;
    assert_eq!(world.held(&repository), before);
    world.permit_adoption("api");
    world.apply("api", asks("Enforce")).await;
    world.ready("api").await;
    let written: Vec<_> = world.written().into_iter().map(|c| c.operation).collect();
    assert_eq!(
        written,
        ["TagResource", "PutImageTagMutability"],
        "as it was planned"
    );
    world.finish_looking().await;
}

#[tokio::test]
async fn adopting_takes_nothing_away_that_is_not_declared() {
    let mut world = World::new("adopt-empty").await;
    let names = ["nothing", "empty"];
    let mut before = Vec::new();
    for name in names {
        let repository = world.in_ecr(name);
        before.push(world.make_outside(&repository, &[("by", "hand")]));
        world.permit_adoption(name);
    }
    let adopt = json!({"policy": "IfUnowned"});
    world.apply("nothing", json!({"adoption": adopt})).await;
    let empty = json!({"adoption": adopt, "imageScanningConfiguration": {"scanOnPush": false}, "lifecyclePolicy": {"rules": []}, "tags": {}});
    world.apply("empty", empty).await;
    for name in names {
        world.ready(name).await;
    }
    let mut after = names.map(|name| world.repository(name).unwrap());
    assert!(
        before[1].scan_on_push && !after[1].scan_on_push,
        "empty is enforced"
    );
    after[1].scan_on_push = true;
    for (before, after) in before.into_iter().zip(after) {
        assert_eq!(after.tags["by"], "hand");
        assert!(after.policy.is_some());
        assert_eq!(World::without_tags(after), World::without_tags(before));
    }
    world.finish().await;
}

#[tokio::test]
async fn what_was_adopted_and_is_gone_is_told_and_comes_back() {
    let mut world = World::new("adopted-lost").await;
    world.apply("beside", json!({})).await;
    world.ready("beside").await;
    let repository = world.in_ecr("api");
    world.make_outside(&repository, &[]);
    world.permit_adoption("api");
    let adopt = json!({"adoption": {"policy": "IfUnowned"}, "imageTagMutability": "IMMUTABLE"});
    world.apply("api", adopt).await;
    world.ready("api").await;
    world.lose(&repository);
    assert_says(
        &world.event("api", "RepositoryLost").await,
        "its images are gone",
    );
    let object = world.ready("api").await;
    assert!(object.status.unwrap().last_loss.is_some());
    assert_eq!(world.held(&repository).images.len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn another_encryption_is_said_and_nothing_is_made_anew() {
    let mut world = World::new("adopt-encryption").await;
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[]);
    world.permit_adoption("api");
    let spec = json!({
        "adoption": {"policy": "IfUnowned"},
        "encryptionConfiguration": {"encryptionType": "KMS"},
        "imageTagMutability": "MUTABLE",
    });
    world.apply("api", spec).await;
    let object = world.stalled("api", "ImmutableField").await;
    assert_says(message(&object, "Stalled"), "encryptionConfiguration");
    let after = world.held(&repository);
    assert_eq!(
        (&after.encryption_type, after.created_at),
        (&before.encryption_type, before.created_at)
    );
    assert_eq!(after.image_tag_mutability, "MUTABLE", "the rest is done");
    assert_eq!(after.images, before.images);
    world.looks(&repository, 2).await;
    world.finish().await;
}
