//! Ownership: a repository has one owner, which its tag in ECR names, and nobody is robbed.

use std::collections::BTreeSet;

use ecr_emulator::Fault;
use ecr_operator::api::{CLUSTER_UID_TAG, OWNER_TAG};
use serde_json::json;

use crate::world::{CLUSTER, Crash, World, assert_says, condition, message, operations};

#[tokio::test]
async fn what_exists_without_an_owner_is_let_be_until_adoption_is_asked_for() {
    let mut world = World::new("exists").await;
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[("by", "hand")]);
    world
        .apply("api", json!({"imageTagMutability": "MUTABLE"}))
        .await;
    let object = world.stalled("api", "AlreadyExists").await;
    assert_eq!(
        condition(&object, "Accepted"),
        Some(("False", "AlreadyExists"))
    );
    assert_says(
        message(&object, "Stalled"),
        "spec.adoption.policy to IfUnowned",
    );
    assert_eq!(object.status.as_ref().unwrap().arn, None);
    world.looks(&repository, 2).await;
    assert_eq!(world.held(&repository), before, "nothing was written");

    world.permit_adoption("api");
    let adopt = json!({"imageTagMutability": "MUTABLE", "adoption": {"policy": "IfUnowned"}});
    world.apply("api", adopt).await;
    world.ready("api").await;
    let after = world.held(&repository);
    assert_eq!(after.image_tag_mutability, "MUTABLE");
    assert_eq!(after.images, before.images);
    world.finish().await;
}

#[tokio::test]
async fn adopting_changes_our_tags_and_then_only_what_is_declared() {
    let mut world = World::new("adopt").await;
    world.permit_adoption("api");
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[("by", "hand"), ("team", "old")]);
    let spec = json!({
        "adoption": {"policy": "IfUnowned"},
        "tags": {"team": "payments"},
        "imageScanningConfiguration": {"scanOnPush": false},
    });
    world.apply("api", spec).await;
    world
        .wait("api", "Adopting", |object| {
            condition(object, "Reconciling") == Some(("True", "Adopting"))
        })
        .await;
    let adopted = world.held(&repository);
    let ours = [OWNER_TAG, CLUSTER_UID_TAG].map(ToOwned::to_owned);
    let mut tags = adopted.tags.clone();
    tags.retain(|key, _| !ours.contains(key));
    assert_eq!(tags, before.tags, "adopting alone writes our tags");
    assert_eq!(
        World::without_tags(adopted),
        World::without_tags(before.clone())
    );

    world.ready("api").await;
    let written = world.written();
    assert_eq!(
        operations(&written),
        [
            "TagResource",
            "PutImageScanningConfiguration",
            "TagResource"
        ]
    );
    assert!(
        written[1].time - written[0].time >= 12.0,
        "it waits for others"
    );
    let mut wanted = before;
    wanted.scan_on_push = false;
    wanted.tags.insert("team".to_owned(), "payments".to_owned());
    let mut after = world.held(&repository);
    after.tags.retain(|key, _| !ours.contains(key));
    assert_eq!(after, wanted);
    world.finish().await;
}

#[tokio::test]
async fn an_operator_that_was_killed_while_it_adopted_waits_all_the_same() {
    let mut world = World::new("adopt-crash").await;
    world.permit_adoption("api");
    let repository = world.in_ecr("api");
    world.make_outside(&repository, &[]);
    world.arm(Crash::After, Fault::on("TagResource"));
    let spec = json!({"adoption": {"policy": "IfUnowned"}, "imageTagMutability": "MUTABLE"});
    world.apply("api", spec).await;
    world.crash(Crash::After).await;
    world.start_operator().await;
    world.ready("api").await;
    let written = world.written();
    assert_eq!(
        operations(&written),
        ["TagResource", "PutImageTagMutability"]
    );
    let waited = written[1].time - written[0].time;
    assert!(
        waited >= 12.0,
        "it waits for others, also after a crash: {waited}"
    );
    world.finish().await;
}

#[tokio::test]
async fn an_adoption_whose_answer_is_lost_waits_all_the_same() {
    let mut world = World::new("adopt-lost-answer").await;
    world.permit_adoption("api");
    let repository = world.in_ecr("api");
    world.make_outside(&repository, &[]);
    let lost = Fault::on("TagResource").times(1).lose_answer();
    world.emulator.inject(lost);
    let spec = json!({"adoption": {"policy": "IfUnowned"}, "imageTagMutability": "MUTABLE"});
    world.apply("api", spec).await;
    world.ready("api").await;
    let written = world.written();
    assert_eq!(
        operations(&written),
        ["TagResource", "PutImageTagMutability"]
    );
    let waited = written[1].time - written[0].time;
    assert!(waited >= 12.0, "it waits for others: {waited}");
    world.finish().await;
}

#[tokio::test]
async fn of_two_objects_with_one_name_the_first_owns_it() {
    let world = World::new("conflict").await;
    let repository = world.in_ecr("shared");
    let spec = |team: &str| json!({"repositoryName": repository, "tags": {"team": team}, "deletionPolicy": "DeleteWithImages"});
    world.apply("early-bird", spec("early")).await;
    world.ready("early-bird").await;
    world.push(&repository, "v1");
    let before = world.held(&repository);
    let loser = world.apply("latecomer", spec("late")).await;
    let stalled = world.stalled("latecomer", "NameConflict").await;
    let told = world.event("latecomer", "NameConflict").await;
    for text in [message(&stalled, "Stalled"), &told] {
        assert_says(text, "spec.repositoryName");
        assert!(!text.contains("early-bird"), "{text}");
    }
    world.looks(&repository, 3).await;
    assert_eq!(world.held(&repository), before);
    world.delete("latecomer").await;
    world.gone(&loser).await;
    assert_eq!(
        world.held(&repository),
        before,
        "the loser takes nothing along"
    );
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    world.finish().await;
}

#[tokio::test]
async fn of_many_objects_at_once_exactly_one_owns_it() {
    let world = World::new("race").await;
    let repository = world.in_ecr("shared");
    let names = ["a", "b", "c", "d"];
    for name in names {
        let spec = json!({"repositoryName": repository, "tags": {"team": name}});
        world.apply(name, spec).await;
    }
    let mut winners = BTreeSet::new();
    for name in names {
        let decided = world.wait(name, "a decision", |object| {
            condition(object, "Ready") == Some(("True", "Synced"))
                || condition(object, "Stalled") == Some(("True", "NameConflict"))
        });
        if condition(&decided.await, "Stalled").is_none() {
            winners.insert(name);
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let owner = format!("{CLUSTER}/{}/{}", world.namespace, winners.first().unwrap());
    let tags = world.held(&repository).tags;
    assert_eq!(tags[OWNER_TAG], owner);
    assert_eq!(Some(&tags["team"].as_str()), winners.first());
    assert_eq!(operations(&world.written()), ["CreateRepository"]);
    world.finish().await;
}

#[tokio::test]
async fn namespaces_do_not_learn_of_each_other() {
    let mut world = World::new("first-space").await;
    let mut other = world.sibling("second-space").await;
    other.start_operator().await;
    let repository = world.in_ecr("shared");
    let spec = json!({"repositoryName": repository, "deletionPolicy": "DeleteWithImages"});
    world.apply("owner", spec.clone()).await;
    world.ready("owner").await;
    let before = world.held(&repository);
    let loser = other.apply("loser", spec).await;
    let stalled = other.stalled("loser", "NameConflict").await;
    let told = serde_json::to_string(&stalled.status.as_ref().unwrap().conditions).unwrap()
        + &serde_json::to_string(&stalled.status.as_ref().unwrap().pending).unwrap()
        + &other.event("loser", "NameConflict").await;
    assert!(
        !told.contains(&world.namespace) && !told.contains("owner/"),
        "{told}"
    );
    // Not even by guessing: it is alive, so its repository is no orphan.
    let adopt = json!({"repositoryName": repository, "adoption": {"policy": "IfUnowned"}, "deletionPolicy": "DeleteWithImages"});
    other.apply("loser", adopt).await;
    other.stalled("loser", "NameConflict").await;
    other.looks(&repository, 2).await;
    other.delete("loser").await;
    other.gone(&loser).await;
    assert_eq!(world.held(&repository), before);
    assert_eq!(other.written(), []);
    other.finish().await;
    world.finish().await;
}

#[tokio::test]
async fn an_owner_tag_that_is_changed_outside_is_never_taken_back() {
    let world = World::new("robbed").await;
    for (name, owner, reason) in [
        ("removed", None, "OwnerTagMissing"),
        ("changed", Some("elsewhere/web/api"), "NameConflict"),
        ("foreign", Some("terraform"), "NameConflict"),
    ] {
        world
            .apply(
                name,
                json!({"imageTagMutability": "MUTABLE", "tags": {"team": "a"}}),
            )
            .await;
        world.ready(name).await;
        let repository = world.in_ecr(name);
        let arn = world.held(&repository).arn;
        if let Some(owner) = owner {
            world.tag(&repository, OWNER_TAG, owner);
        } else {
            world.outside(
                "UntagResource",
                json!({"resourceArn": arn, "tagKeys": [OWNER_TAG]}),
            );
        }
        world.stalled(name, reason).await;
        // What changes from now on is none of our business.
        world.outside(
            "PutImageTagMutability",
            json!({"repositoryName": repository, "imageTagMutability": "IMMUTABLE"}),
        );
        world
            .apply(
                name,
                json!({"imageTagMutability": "MUTABLE", "tags": {"team": "b"}}),
            )
            .await;
        world.stalled(name, reason).await;
        world.looks(&repository, 2).await;
        let after = world.held(&repository);
        assert_eq!(after.tags.get(OWNER_TAG).map(String::as_str), owner);
        assert_eq!(after.tags["team"], "a");
        assert_eq!(after.image_tag_mutability, "IMMUTABLE");
    }
    world.finish().await;
}

#[tokio::test]
async fn taking_over_must_name_the_owner_that_it_replaces() {
    let mut world = World::new("take-over").await;
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[(OWNER_TAG, "legacy/shop/api")]);
    let take = |from: &str| json!({"adoption": {"policy": "TakeOver", "from": from}});
    for from in [
        "legacy/shop/web",
        "legacy/web/api",
        &format!("{CLUSTER}/shop/api"),
    ] {
        world.apply("api", take(from)).await;
        world.stalled("api", "NameConflict").await;
    }
    world
        .apply("api", json!({"adoption": {"policy": "IfUnowned"}}))
        .await;
    world.stalled("api", "NameConflict").await;
    assert_eq!(world.held(&repository), before);
    world.permit_adoption("api");
    world.apply("api", take("legacy/shop/api")).await;
    world.ready("api").await;
    let after = world.held(&repository);
    let owner = format!("{CLUSTER}/{}/api", world.namespace);
    assert_eq!(after.tags[OWNER_TAG], owner);
    assert_eq!(World::without_tags(after), World::without_tags(before));
    assert_eq!(operations(&world.written()), ["TagResource"]);
    world.finish().await;
}

#[tokio::test]
async fn a_dead_owner_of_our_own_cluster_counts_as_none() {
    let mut world = World::new("dead-owner").await;
    let repository = world.in_ecr("legacy");
    let spec = json!({"repositoryName": repository});
    let first = world.apply("first", spec.clone()).await;
    world.ready("first").await;
    world.delete("first").await;
    world.gone(&first).await;
    world.apply("second", spec).await;
    world.stalled("second", "AlreadyExists").await;
    world.permit_adoption("legacy");
    let adopt = json!({"repositoryName": repository, "adoption": {"policy": "IfUnowned"}});
    world.apply("second", adopt).await;
    world.ready("second").await;
    let owner = format!("{CLUSTER}/{}/second", world.namespace);
    assert_eq!(world.held(&repository).tags[OWNER_TAG], owner);
    world.finish().await;
}

#[tokio::test]
async fn an_object_that_is_made_anew_has_its_repository_back() {
    let world = World::new("anew").await;
    let first = world.apply("api", json!({"tags": {"n": "1"}})).await;
    world.ready("api").await;
    world.push(&world.in_ecr("api"), "v1");
    world.delete("api").await;
    world.gone(&first).await;
    world.apply("api", json!({"tags": {"n": "2"}})).await;
    world.ready("api").await;
    let repository = world.repository("api").unwrap();
    assert_eq!(
        (repository.tags["n"].as_str(), repository.images.len()),
        ("2", 1)
    );
    assert_eq!(
        operations(&world.written()),
        ["CreateRepository", "TagResource"]
    );
    world.finish().await;
}
