//! Deletion: nothing is lost by default, and nobody waits without being told why.
use serde_json::json;

use crate::world::{World, assert_says};

#[tokio::test]
async fn an_empty_repository_goes_with_its_object_in_two_calls() {
    let world = World::new("delete-empty").await;
    world
        .apply("api", json!({"deletionPolicy": "Delete"}))
        .await;
    let object = world.ready("api").await;
    let before = world.calls().len();
    world.delete("api").await;
    world.gone(&object).await;
    let calls: Vec<_> = world.calls()[before..]
        .iter()
        .map(|c| c.operation.clone())
        .collect();
    assert!(
        calls
            .iter()
            .filter(|c| *c != "DescribeRepositories")
            .count()
            <= 2,
        "{calls:?}"
    );
    assert!(world.repository("api").is_none());
    assert_says(&world.event("api", "Deleted").await, "DeleteRepository");
    world.finish().await;
}
