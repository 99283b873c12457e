//! Each aspect: created, changed, dropped, emptied, drifted and repaired.

use serde_json::json;

use crate::world::{World, assert_says};

fn lifecycle(count: i64) -> serde_json::Value {
    json!({"rules": [{
        "rulePriority": 1,
        "description": "keep the last images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }]})
}

#[tokio::test]
async fn all_of_it_is_created_in_three_calls() {
    let world = World::new("create").await;
    world
        .apply(
            "api",
            json!({
                "imageTagMutability": "IMMUTABLE",
                "imageScanningConfiguration": {"scanOnPush": true},
                "lifecyclePolicy": lifecycle(10),
                "access": {"pull": ["111122223333"]},
                "tags": {"team": "payments"},
            }),
        )
        .await;
    world.ready("api").await;
    let calls: Vec<_> = world.calls().into_iter().map(|c| c.operation).collect();
    assert_eq!(
        calls,
        [
            "GetCallerIdentity",
            "CreateRepository",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy"
        ]
    );
    let note = world.event("api", "Created").await;
    assert_says(
        &note,
        "CreateRepository; PutLifecyclePolicy; SetRepositoryPolicy",
    );
    world.finish().await;
}
