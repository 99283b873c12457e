//! Objects that are as large as the API server lets them be: one author of many must not end the operator for
//! all.

use serde_json::{Value, json};

use crate::world::{World, assert_says};

/// A text that nothing makes shorter.
fn noise(length: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).unwrap())
    };
    (0..length).map(letter).collect()
}

/// The longest lifecycle policy that the schema takes has 750 KB; this one has half of that.
fn large(seed: u64) -> Value {
    let rule = |priority: u64| {
        let tag = |n: u64| noise(128, seed + priority * 100 + n);
        let tags: Vec<_> = (0..100).map(tag).collect();
        json!({
            "rulePriority": priority,
            "selection": {"tagStatus": "tagged", "tagPatternList": tags, "countType": "imageCountMoreThan", "countNumber": 1},
            "action": {"type": "expire"},
        })
    };
    json!({"lifecyclePolicy": {"rules": (1..=25).map(rule).collect::<Vec<_>>()}})
}

/// The most memory that a process has had, in kilobytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn objects_that_are_too_large_are_told_and_cost_little() {
    let mut world = World::new("large").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    world.stop_operator().await;
    world.start_operator().await;
    let before = peak(world.operator().pid());
    world.stop_operator().await;
    for n in 0..60 {
        world.apply(&format!("large-{n}"), large(n * 10_000)).await;
    }
    world.start_operator().await;
    world.apply("web", json!({})).await;
    world.ready("web").await;
    let said = world.event("large-0", "TooLarge").await;
    assert_says(&said, "Nothing is done for this object");
    let metrics = world.operator().scrape().await.unwrap();
    let counted = r#"ready="Unknown",reason="Unreadable",stalled="false"} 60"#;
    assert_says(&metrics, counted);
    let after = peak(world.operator().pid());
    assert!(
        after < before + 30_000,
        "{before} kB, and {after} kB with large objects"
    );
    // Two restarts tell it anew, but not each pass.
    let told = world.events("large-0").await;
    assert_eq!(told.len(), 1, "{told:?}");
    for n in 0..60 {
        world
            .apply(&format!("large-{n}"), json!({"suspend": true}))
            .await;
    }
    let suspended = |it: &_| crate::world::condition(it, "Ready") == Some(("False", "Suspended"));
    world.wait("large-0", "Suspended", suspended).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_written_into_metadata_is_not_kept() {
    let mut world = World::new("large-metadata").await;
    world.apply("api", json!({})).await;
    world.ready("api").await;
    let before = peak(world.operator().pid());
    world.stop_operator().await;
    for n in 0..60 {
        let name = format!("noted-{n}");
        world.apply(&name, json!({"suspend": true})).await;
        world
            .annotate(&name, "example.com/notes", &noise(250_000, n))
            .await;
    }
    world.start_operator().await;
    let suspended = |it: &_| crate::world::condition(it, "Ready") == Some(("False", "Suspended"));
    for n in 0..60 {
        world
            .wait(&format!("noted-{n}"), "Suspended", suspended)
            .await;
    }
    let after = peak(world.operator().pid());
    assert!(
        after < before + 30_000,
        "{before} kB, and {after} kB with annotations"
    );
    world.finish().await;
}
