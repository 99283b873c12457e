//! Takeovers: whoever loses by one says so.

use ecr_operator::api::ECRRepository;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::world::{CLUSTER, NO_ROTA, World, condition, is_sweep};

/// A world in which no sweep comes by itself.
async fn without_sweeps(name: &str) -> World {
    let mut world = World::without_operator(name).await;
    world.flag("--resync-seconds=600");
    world.flag(NO_ROTA);
    world
}

fn owner(world: &World, name: &str) -> String {
    format!("{CLUSTER}/{}/{name}", world.namespace)
}

/// An object that asks for a repository, and to take it over from another one.
fn takes(world: &World, repository: &str, from: &str) -> Value {
    json!({
        "repositoryName": repository,
        "imageTagMutability": "IMMUTABLE",
        "adoption": {"policy": "TakeOver", "from": owner(world, from)},
    })
}

/// So many pairs of objects for one repository.
const PAIRS: usize = 6;

/// The names of the objects that lose, and of those that take over.
fn pairs() -> Vec<(String, String)> {
    let pairs = (0..PAIRS).map(|n| (format!("former-{n}"), format!("next-{n}")));
    pairs.collect()
}

/// The former ones are ready, and the others have taken all over.
async fn taken(world: &World, pairs: &[(String, String)]) -> Vec<ECRRepository> {
    for (former, _) in pairs {
        world
            .apply(former, json!({"imageTagMutability": "MUTABLE"}))
            .await;
    }
    let mut ready = Vec::new();
    for (former, _) in pairs {
        ready.push(world.ready(former).await);
    }
    for (former, next) in pairs {
        let repository = world.in_ecr(former);
        world.apply(next, takes(world, &repository, former)).await;
    }
    ready
}

#[tokio::test]
async fn whoever_loses_by_a_takeover_says_so_before_the_next_sweep() {
    let mut world = without_sweeps("losers").await;
    let pairs = pairs();
    world.start_operator().await;
    taken(&world, &pairs).await;
    for (former, next) in &pairs {
        world.stalled(former, "NameConflict").await;
        world.ready(next).await;
    }
    assert!(!world.calls().iter().any(is_sweep));
    world.finish_looking().await;
}

#[tokio::test]
async fn what_the_winner_agreed_with_tells_the_loser_nothing() {
    let mut world = World::without_operator("agreed").await;
    world.flag(NO_ROTA);
    let pairs = pairs();
    world.start_operator().await;
    let ready = taken(&world, &pairs).await;
    for (former, next) in &pairs {
        world.ready(next).await;
        world.stalled(former, "NameConflict").await;
    }
    world.stop_operator().await;
    // As where nobody came to tell them: they still say that all is well.
    for before in ready {
        let name = before.metadata.name.unwrap();
        let mut now = world.get(&name).await;
        now.status = before.status;
        world
            .api()
            .replace_status(&name, &PostParams::default(), &now)
            .await
            .unwrap();
        assert_eq!(
            condition(&world.get(&name).await, "Ready"),
            Some(("True", "Synced"))
        );
    }
    world.flag("--resync-seconds=600");
    world.start_operator().await;
    for (former, next) in &pairs {
        world.stalled(former, "NameConflict").await;
        world.ready(next).await;
    }
    world.flag("--resync-seconds=2");
    world.stop_operator().await;
    world.start_operator().await;
    world.finish().await;
}
