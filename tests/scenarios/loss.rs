//! Repositories that vanish: one comes back and is told of, many at once wait for a person.

use ecr_emulator::Fault;
use ecr_operator::api::{APPROVE_RECREATE_ANNOTATION, ECRRepository, Loss, RECONCILE_ANNOTATION};
use serde_json::json;

use crate::{
    looking::FLUX,
    world::{World, assert_says, condition, message, operations},
};

fn last_loss(object: &ECRRepository) -> Option<Loss> {
    object.status.as_ref()?.last_loss.clone()
}

/// So many objects with a repository each.
async fn fleet(world: &World, count: usize) -> Vec<String> {
    let names: Vec<_> = (0..count).map(|n| format!("api-{n}")).collect();
    for name in &names {
        world.apply(name, json!({"tags": {"team": "a"}})).await;
    }
    for name in &names {
        world.ready(name).await;
    }
    names
}

#[tokio::test]
async fn one_that_was_deleted_outside_comes_back_and_is_told_of() {
    let mut world = World::new("loss").await;
    fleet(&world, 1).await;
    let spec = json!({"imageTagMutability": "IMMUTABLE", "access": {"pull": ["111122223333"]}, "tags": {"team": "a"}});
    world.apply("api", spec).await;
    let before = world.ready("api").await.status.unwrap();
    let repository = world.in_ecr("api");
    world.push(&repository, "v1");
    world.lose(&repository);
    let note = world.event("api", "RepositoryLost").await;
    assert_says(&note, "its images are gone");
    let events = world.events("api").await;
    let (kind, ..) = events
        .iter()
        .find(|(_, r, _)| r == "RepositoryLost")
        .unwrap();
    assert_eq!(kind, "Warning");
    let object = world.ready("api").await;
    let loss = last_loss(&object).unwrap();
    assert_eq!(loss.previous_created_at, before.created_at);
    let after = object.status.unwrap();
    assert_ne!(after.created_at, before.created_at);
    let held = world.held(&repository);
    assert_eq!(held.image_tag_mutability, "IMMUTABLE");
    assert!(held.policy.is_some());
    // Told once, and a second loss is another one.
    world.looks(&repository, 2).await;
    world.lose(&repository);
    let again = world
        .wait("api", "a second loss", |object| {
            last_loss(object).is_some_and(|l| l.previous_created_at == after.created_at)
                && condition(object, "Ready") == Some(("True", "Synced"))
        })
        .await;
    assert_ne!(last_loss(&again).unwrap().at, loss.at);
    let events = world.events("api").await;
    let told = events.iter().filter(|(_, r, _)| r == "RepositoryLost");
    assert_eq!(told.count(), 2);
    world.finish().await;
}

#[tokio::test]
async fn many_at_once_wait_for_a_person_each() {
    let mut world = World::new("many-lost").await;
    let names = fleet(&world, 8).await;
    for name in &names[..7] {
        world.lose(&world.in_ecr(name));
    }
    let created = world.count("CreateRepository");
    for name in &names[..7] {
        let stalled = world.stalled(name, "ManyRepositoriesLost").await;
        let says = message(&stalled, "Stalled");
        let loss = last_loss(&stalled).unwrap();
        assert_says(says, "right account");
        assert_says(says, &format!("{APPROVE_RECREATE_ANNOTATION}={}", loss.at));
    }
    assert_says(
        message(&world.get(&names[0]).await, "Stalled"),
        "7 of 8 repositories are gone",
    );
    // Something else than what is shown approves nothing.
    world
        .annotate(&names[1], APPROVE_RECREATE_ANNOTATION, "yes")
        .await;
    let loss = last_loss(&world.get(&names[0]).await).unwrap();
    world
        .annotate(&names[0], APPROVE_RECREATE_ANNOTATION, &loss.at)
        .await;
    world.ready(&names[0]).await;
    for name in &names[1..7] {
        world.looks(&world.in_ecr(name), 1).await;
        world.stalled(name, "ManyRepositoriesLost").await;
        assert!(world.repository(name).is_none(), "{name}");
    }
    assert_eq!(world.count("CreateRepository"), created + 1);
    world.ready(&names[7]).await;
    world.finish().await;
}

#[tokio::test]
async fn many_soon_after_one_wait_as_well() {
    let mut world = World::new("lost-soon-after").await;
    let names = fleet(&world, 8).await;
    world.lose(&world.in_ecr(&names[7]));
    world.event(&names[7], "RepositoryLost").await;
    world.ready(&names[7]).await;
    // The one that had come back goes first.
    for name in names.iter().rev() {
        world.lose(&world.in_ecr(name));
    }
    for name in &names {
        world.stalled(name, "ManyRepositoriesLost").await;
        assert!(world.repository(name).is_none(), "{name}");
    }
    world.finish().await;
}

#[tokio::test]
async fn another_account_is_no_loss() {
    let mut world = World::new("wrong-account").await;
    let names = fleet(&world, 2).await;
    world.stop_operator().await;
    let wrong = ("AWS_ACCESS_KEY_ID", "999988887777");
    world.start_operator_with(&[wrong]).await;
    for name in &names {
        let stalled = world.stalled(name, "IdentityChanged").await;
        assert_eq!(last_loss(&stalled), None);
    }
    assert_eq!(
        operations(&world.written()),
        ["CreateRepository", "CreateRepository"]
    );
    world.stop_operator().await;
    world.start_operator().await;
    for name in &names {
        world.ready(name).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn many_one_after_the_other_wait_as_well() {
    let mut world = World::without_operator("slowly-lost").await;
    world.flag("--resync-seconds=600");
    world.start_operator().await;
    let names = fleet(&world, 6).await;
    for (n, name) in names.iter().enumerate() {
        world.lose(&world.in_ecr(name));
        world
            .annotate(name, RECONCILE_ANNOTATION, &n.to_string())
            .await;
        if n < 1 {
            world.event(name, "RepositoryLost").await;
            world.ready(name).await;
        } else {
            let stalled = world.stalled(name, "ManyRepositoriesLost").await;
            let gone = format!("{} of 6 repositories are gone", n + 1);
            assert_says(message(&stalled, "Stalled"), &gone);
        }
    }
    for name in &names {
        world.delete(name).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn the_only_one_waits_and_an_approval_is_good_once() {
    let mut world = World::new("the-only-one").await;
    world.apply("api", json!({"tags": {"team": "a"}})).await;
    world.ready("api").await;
    let repository = world.in_ecr("api");
    world.lose(&repository);
    let stalled = world.stalled("api", "ManyRepositoriesLost").await;
    let first = last_loss(&stalled).unwrap().at;
    world
        .annotate("api", APPROVE_RECREATE_ANNOTATION, &first)
        .await;
    world.ready("api").await;
    let created = world.count("CreateRepository");
    // The annotation is left where it is.
    world.lose(&repository);
    let stalled = world.stalled("api", "ManyRepositoriesLost").await;
    assert_ne!(last_loss(&stalled).unwrap().at, first);
    world.looks(&repository, 2).await;
    assert!(world.repository("api").is_none());
    assert_eq!(world.count("CreateRepository"), created);
    world.finish().await;
}

/// The operator starts anew, is asked to look, and these reads answer that there is no such repository.
async fn unseen_after_a_restart(name: &str, reads: &[(&str, u64)]) {
    let mut world = World::new(name).await;
    world.apply("api", json!({"tags": {"team": "a"}})).await;
    let before = world.ready("api").await;
    world.stop_operator().await;
    for (operation, times) in reads {
        let reads = Fault::on(operation).repository(&world.in_ecr("api"));
        world.emulator.inject(reads.times(*times).fail(
            400,
            "RepositoryNotFoundException",
            "The repository does not exist in the registry",
        ));
    }
    world.annotate("api", FLUX, "look").await;
    world.start_operator().await;
    world.struck().await;
    world.looks(&world.in_ecr("api"), 2).await;
    let after = world.ready("api").await;
    assert_eq!(last_loss(&after), None);
    assert_eq!(
        after.status.unwrap().created_at,
        before.status.unwrap().created_at
    );
    let events = world.events("api").await;
    assert!(
        events.iter().all(|(_, r, _)| r != "RepositoryLost"),
        "{events:?}"
    );
    assert_eq!(world.count("CreateRepository"), 1, "not even tried");
    world.finish().await;
}

#[tokio::test]
async fn a_repository_that_is_not_described_yet_is_not_lost() {
    Box::pin(unseen_after_a_restart(
        "not-described",
        &[("DescribeRepositories", 1)],
    ))
    .await;
}

#[tokio::test]
async fn a_repository_that_is_listed_and_not_found_by_name_is_not_lost() {
    let reads = [("DescribeRepositories", 1), ("ListTagsForResource", 1)];
    Box::pin(unseen_after_a_restart("not-found", &reads)).await;
}
