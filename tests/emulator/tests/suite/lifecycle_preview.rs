//! Previews of lifecycle policies, and that they tell the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use ecr_emulator::Emulator;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::lifecycle_world::{DAY, Images, any, keep, older, policy, tagged, untagged};
use crate::support::{apply, create, refusal, start};

fn begin(emulator: &Emulator, rules: Value) -> Value {
    let input = json!({ "repositoryName": "api", "lifecyclePolicyText": policy(rules) });
    apply(emulator, "StartLifecyclePolicyPreview", input)
}

fn ask(emulator: &Emulator, more: Value) -> Value {
    let mut input = json!({ "repositoryName": "api" });
    let members = input.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    apply(emulator, "GetLifecyclePolicyPreview", input)
}

#[tokio::test]
async fn a_preview_takes_its_time_and_tells_nothing_before() {
    let emulator = start().await;
    let images = Images::new(&emulator);
    let [old, _new] = ["old", "new"].map(|tag| images.push(tag, &[tag]));
    emulator.configure(|settings| settings.job_millis = 60_000);
    let name = json!({ "repositoryName": "api" });
    let code = refusal(&emulator, "StartLifecyclePolicyPreview", name.clone());
    assert_eq!(code, "LifecyclePolicyNotFoundException");
    let code = refusal(&emulator, "GetLifecyclePolicyPreview", name.clone());
    assert_eq!(code, "LifecyclePolicyPreviewNotFoundException");
    let begun = begin(&emulator, json!([keep(any(), 1)]));
    assert_eq!(begun["status"], "IN_PROGRESS");
    assert!(
        begun["lifecyclePolicyText"]
            .as_str()
            .unwrap()
            .starts_with("{\"rules\":[{")
    );
    let code = refusal(
        &emulator,
        "StartLifecyclePolicyPreview",
        json!({ "repositoryName": "api", "lifecyclePolicyText": policy(json!([keep(any(), 2)])) }),
    );
    assert_eq!(code, "LifecyclePolicyPreviewInProgressException");
    let running = ask(&emulator, json!({}));
    assert_eq!(running["status"], "IN_PROGRESS");
    assert!(running.get("previewResults").is_none() && running.get("summary").is_none());
    emulator.advance(Duration::from_mins(1));
    let done = ask(&emulator, json!({}));
    assert_eq!(done["status"], "COMPLETE");
    assert_eq!(done["lifecyclePolicyText"], begun["lifecyclePolicyText"]);
    let [result] = done["previewResults"].as_array().unwrap().as_slice() else {
        panic!("one result: {done}");
    };
    assert_eq!(result["imageDigest"], old);
    assert_eq!(result["imageTags"], json!(["old"]));
    assert_eq!(result["action"], json!({ "type": "EXPIRE" }));
    assert_eq!(result["appliedRulePriority"], 1);
    assert_eq!(result["storageClass"], "STANDARD");
    assert_eq!(
        done["summary"],
        json!({ "expiringImageTotalCount": 1, "transitioningImageTotalCounts": [] })
    );
    // Nothing happened to the images.
    assert_eq!(images.state(&old), "there");
    emulator.advance(DAY);
    let expired = ask(&emulator, json!({}));
    assert_eq!(expired["status"], "EXPIRED");
    assert!(expired.get("previewResults").is_none());
    // The policy in force is taken when none is given.
    images.policy(json!([keep(any(), 5)]));
    apply(&emulator, "StartLifecyclePolicyPreview", name.clone());
    emulator.advance(Duration::from_secs(61));
    assert_eq!(
        ask(&emulator, json!({}))["summary"]["expiringImageTotalCount"],
        0
    );
    // A repository that comes later under the same name has no preview.
    let gone = json!({ "repositoryName": "api", "force": true });
    apply(&emulator, "DeleteRepository", gone);
    create(&emulator, "api");
    let code = refusal(&emulator, "GetLifecyclePolicyPreview", name);
    assert_eq!(code, "LifecyclePolicyPreviewNotFoundException");
}

#[tokio::test]
async fn results_are_paged_filtered_and_counted() {
    let emulator = start().await;
    let images = Images::new(&emulator);
    for number in 0..5 {
        images.push(&format!("{number}"), &[&format!("v{number}")]);
        images.push(&format!("u{number}"), &[]);
    }
    emulator.advance(3 * DAY);
    begin(
        &emulator,
        json!([
            keep(tagged(&["v*"]), 2),
            older(untagged(), "sinceImagePushed", 2, "transition"),
        ]),
    );
    let first = ask(&emulator, json!({ "maxResults": 5 }));
    assert_eq!(first["previewResults"].as_array().unwrap().len(), 5);
    let totals = json!([{ "targetStorageClass": "ARCHIVE", "imageTotalCount": 5 }]);
    let summary = json!({
        "expiringImageTotalCount": 3, "transitioningImageTotalCounts": totals,
    });
    assert_eq!(first["summary"], summary);
    let rest = ask(
        &emulator,
        json!({ "maxResults": 5, "nextToken": first["nextToken"] }),
    );
    assert_eq!(rest["previewResults"].as_array().unwrap().len(), 3);
    assert!(rest.get("nextToken").is_none());
    let untagged = ask(&emulator, json!({ "filter": { "tagStatus": "UNTAGGED" } }));
    let results = untagged["previewResults"].as_array().unwrap();
    assert_eq!((results.len(), &untagged["summary"]), (5, &summary));
    let action = json!({ "type": "TRANSITION", "targetStorageClass": "ARCHIVE" });
    assert!(results.iter().all(|result| result["action"] == action));
    let times: Vec<f64> = results
        .iter()
        .map(|result| result["imagePushedAt"].as_f64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let ids = json!([{ "imageTag": "v0" }, { "imageTag": "v4" }]);
    let some = ask(&emulator, json!({ "imageIds": ids }));
    assert_eq!(some["previewResults"].as_array().unwrap().len(), 1);
    for wrong in [
        json!({ "repositoryName": "api", "imageIds": ids, "maxResults": 1 }),
        json!({ "repositoryName": "api", "maxResults": 101 }),
        json!({ "repositoryName": "api", "nextToken": "made-up" }),
    ] {
        let code = refusal(&emulator, "GetLifecyclePolicyPreview", wrong);
        assert_eq!(code, "InvalidParameterException");
    }
}

/// What befalls an image of a property's repository, beside being pushed.
#[derive(Debug, Clone)]
struct Pushed {
    tags: Vec<&'static str>,
    age: u64,
    refers: Option<prop::sample::Index>,
    archived: bool,
}

fn pushed() -> impl Strategy<Value = Pushed> {
    let tags = prop::sample::subsequence(vec!["prod", "beta", "web-1", "web-2"], 0..3);
    let refers = prop::option::weighted(0.2, any_index());
    (tags, 0_u64..4, refers, prop::bool::weighted(0.3)).prop_map(|(tags, age, refers, archived)| {
        Pushed {
            tags,
            age,
            refers,
            archived,
        }
    })
}

fn any_index() -> impl Strategy<Value = prop::sample::Index> {
    proptest::arbitrary::any::<prop::sample::Index>()
}

/// Some rules for tagged images, perhaps one for those without tags and one for the rest, and
/// perhaps one for the archive.
fn rules() -> impl Strategy<Value = Value> {
    let patterns = prop::sample::subsequence(vec!["*", "web*", "prod", "*a*"], 1..3);
    let tagged_rule = (patterns, 1_u64..6, 0_u8..3)
        .prop_map(|(patterns, number, kind)| rule_of(tagged(&patterns), number, kind));
    let other = |tags: Value| {
        prop::option::of(
            (1_u64..6, 0_u8..3).prop_map(move |(number, kind)| rule_of(tags.clone(), number, kind)),
        )
    };
    (
        prop::collection::vec(tagged_rule, 1..4),
        other(untagged()),
        other(any()),
        proptest::bool::ANY,
    )
        .prop_map(|(mut rules, untagged, any, archive)| {
            rules.extend(untagged);
            rules.extend(any);
            if archive {
                let archived = json!({ "tagStatus": "any", "storageClass": "archive" });
                rules.push(older(archived, "sinceImageTransitioned", 90, "expire"));
            }
            json!(rules)
        })
}

fn rule_of(tags: Value, number: u64, kind: u8) -> Value {
    match kind {
        0 => keep(tags, number),
        1 => older(tags, "sinceImagePushed", number, "expire"),
        _ => older(tags, "sinceImagePulled", number, "transition"),
    }
}

/// Every image's digest, and whether it is in the archive.
fn inventory(emulator: &Emulator) -> BTreeMap<String, bool> {
    let repository = emulator.repository("111122223333", "eu-central-1", "api");
    let images = repository.unwrap().images.into_values();
    images.map(|image| (image.digest, image.archived)).collect()
}

/// What holds whatever the rules: nothing that a list holds is touched, what refers to another image
/// shares its fate, and no image has two.
fn obeys_the_guide(emulator: &Emulator, preview: &Value) -> Result<(), TestCaseError> {
    let repository = emulator.repository("111122223333", "eu-central-1", "api");
    let images = repository.unwrap().images;
    let mut fates: BTreeMap<&str, &Value> = BTreeMap::new();
    for result in preview["previewResults"].as_array().unwrap() {
        let digest = result["imageDigest"].as_str().unwrap();
        let held = images
            .values()
            .any(|list| list.children.iter().any(|child| child == digest));
        prop_assert!(!held, "{digest} is in a list");
        prop_assert!(fates.insert(digest, &result["action"]["type"]).is_none());
    }
    for image in images.values() {
        let held = images
            .values()
            .any(|list| list.children.contains(&image.digest));
        let Some(subject) = image.subject.as_deref().filter(|_| !held) else {
            continue;
        };
        // In a chain the one between may be in the archive already, and have no fate of its own.
        if images[subject].subject.is_some() {
            continue;
        }
        let (own, followed) = (fates.get(image.digest.as_str()), fates.get(subject));
        let done = image.archived && followed.is_some_and(|fate| *fate == "TRANSITION");
        prop_assert!(
            own == followed || (done && own.is_none()),
            "{} {own:?}",
            image.digest
        );
    }
    Ok(())
}

fn fill(emulator: &Emulator, pushed: &[Pushed], lists: &[Vec<prop::sample::Index>]) {
    let images = Images::new(emulator);
    let mut digests: Vec<String> = Vec::new();
    for (number, image) in pushed.iter().enumerate() {
        let note = number.to_string();
        let digest = match image.refers {
            Some(subject) if !digests.is_empty() => {
                images.refer(&note, &digests[subject.index(digests.len())])
            }
            _ => images.push(&note, &image.tags),
        };
        if image.archived {
            let input = json!({
                "repositoryName": "api", "imageId": { "imageDigest": digest },
                "targetStorageClass": "ARCHIVE",
            });
            apply(emulator, "UpdateImageStorageClass", input);
        }
        digests.push(digest);
        emulator.advance(DAY * u32::try_from(image.age).unwrap());
    }
    for (number, list) in lists.iter().enumerate() {
        let children: Vec<&str> = list.iter().map(|one| one.get(&digests).as_str()).collect();
        images.list(&children, &[&format!("list-{number}")]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn preview_and_execution_agree(
        pushed in prop::collection::vec(pushed(), 1..12),
        lists in prop::collection::vec(prop::collection::vec(any_index(), 1..3), 0..2),
        rules in rules(),
        wait in 0_u32..100,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let emulator = runtime.block_on(start());
        fill(&emulator, &pushed, &lists);
        emulator.advance(DAY * wait);
        emulator.turn_clock(ecr_emulator::Movement { hold: Some(true), ..Default::default() })
            .unwrap();
        begin(&emulator, rules.clone());
        let preview = ask(&emulator, json!({}));
        obeys_the_guide(&emulator, &preview)?;
        let mut expected = inventory(&emulator);
        let before = expected.clone();
        for result in preview["previewResults"].as_array().unwrap() {
            let digest = result["imageDigest"].as_str().unwrap();
            let archived = before.get(digest).copied();
            prop_assert_eq!(archived, Some(result["storageClass"] == "ARCHIVE"));
            if result["action"]["type"] == "EXPIRE" {
                expected.remove(digest);
            } else {
                prop_assert_eq!(expected.insert(digest.to_owned(), true), Some(false));
            }
        }
        Images(&emulator).policy(rules);
        emulator.run_lifecycle();
        prop_assert_eq!(inventory(&emulator), expected);
    }
}
