//! Losses in a whole cluster: what statuses claim stops those who claim it, and nobody else.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{
    ACCOUNT, REGION, assert_says,
    estate::{Estate, condition, message},
};

const MANY: &str = "ManyRepositoriesLost";

/// An estate whose namespaces have an object each of these names.
async fn estate(name: &str, namespaces: &[&str], names: &[String]) -> Estate {
    let estate = Estate::new(name).await;
    let everybody = json!({"allowedNamespaces": {}});
    estate.default_class("prod", everybody).await;
    for namespace in namespaces {
        estate.namespace(namespace, json!({})).await;
        for name in names {
            estate.apply(namespace, name, json!({})).await;
        }
    }
    for namespace in namespaces {
        for name in names {
            estate.ready(namespace, name).await;
        }
    }
    estate
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("api-{number}")).collect()
}

fn lose(estate: &Estate, name: &str) {
    let input = json!({"repositoryName": name, "force": true});
    let deleted = estate
        .emulator
        .call(ACCOUNT, REGION, "DeleteRepository", input);
    deleted.unwrap();
}

/// Waits until an object has its repository back.
async fn comes_back(estate: &Estate, namespace: &str, name: &str) {
    let repositories = estate.repositories(namespace);
    estate
        .wait(&repositories, name, "its repository is back", |object| {
            let status = &object.data["status"];
            let ready = condition(object, "Ready").is_some_and(|(ready, _)| ready == "True");
            ready && status["lastLoss"]["previousCreatedAt"].is_string()
        })
        .await;
    let repository = format!("{namespace}/{name}");
    let held = estate.emulator.repository(ACCOUNT, REGION, &repository);
    assert!(held.is_some());
}

#[tokio::test]
async fn a_forged_status_stops_nobody_else() {
    let honest = names(3);
    let mut estate = estate("forged", &["team-b"], &honest).await;
    estate.namespace("team-a", json!({})).await;
    let forged = names(12);
    let observe = json!({"managementPolicy": "Observe"});
    let repositories = estate.repositories("team-a");
    for name in &forged {
        estate.apply("team-a", name, observe.clone()).await;
    }
    for name in &forged {
        estate
            .says(&repositories, name, ["Ready", "True", "Observed"])
            .await;
        let repository = format!("team-a/{name}");
        let claim = Patch::Merge(json!({"status": {
            "registryId": ACCOUNT,
            "region": REGION,
            "repositoryName": repository,
            "arn": format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}"),
            "createdAt": "2026-01-01T00:00:00Z",
        }}));
        let params = PatchParams::default();
        let patched = repositories.patch_status(name, &params, &claim).await;
        patched.unwrap();
        // Sweeps see nothing new: it is looked at when somebody asks.
        let ask = "ecr-operator.dev/reconcile-requested-at";
        estate.annotate("team-a", name, ask, "now").await;
    }
    // It stops those who claim it.
    for name in &forged {
        estate.stalled("team-a", name, MANY).await;
    }
    lose(&estate, "team-b/api-1");
    comes_back(&estate, "team-b", "api-1").await;
    // Nor does it once the operator has seen nothing but what is there.
    estate.stop_operator().await;
    lose(&estate, "team-b/api-2");
    estate.start_operator().await;
    comes_back(&estate, "team-b", "api-2").await;
    estate.finish().await;
}

#[tokio::test]
async fn where_all_are_gone_everybody_waits() {
    let teams = ["team-a", "team-b", "team-c"];
    let estate = estate("all-gone", &teams, &names(1)).await;
    for team in teams {
        lose(&estate, &format!("{team}/api-0"));
    }
    for team in teams {
        let object = estate.stalled(team, "api-0", MANY).await;
        assert_says(&message(&object, "Stalled"), "of 3 repositories are gone");
    }
    assert_eq!(estate.emulator.repositories(ACCOUNT, REGION), [""; 0]);
    estate.finish().await;
}

#[tokio::test]
async fn where_all_are_gone_when_the_operator_starts_everybody_waits() {
    let teams = ["team-a", "team-b", "team-c"];
    let mut estate = estate("all-gone-anew", &teams, &names(2)).await;
    estate.stop_operator().await;
    for team in teams {
        for name in names(2) {
            lose(&estate, &format!("{team}/{name}"));
        }
    }
    estate.start_operator().await;
    for team in teams {
        for name in names(2) {
            let object = estate.stalled(team, &name, MANY).await;
            assert_says(&message(&object, "Stalled"), "none was found");
        }
    }
    assert_eq!(estate.emulator.repositories(ACCOUNT, REGION), [""; 0]);
    estate.finish().await;
}

#[tokio::test]
async fn where_most_were_lost_before_the_operator_starts_everybody_waits() {
    let teams = ["team-a", "team-b", "team-c", "team-d", "team-e", "team-f"];
    let mut estate = estate("most-gone-anew", &teams, &names(1)).await;
    estate.stop_operator().await;
    let [survivor, lost @ ..] = teams;
    for team in lost {
        lose(&estate, &format!("{team}/api-0"));
    }
    estate.start_operator().await;
    for team in lost {
        let object = estate.stalled(team, "api-0", MANY).await;
        assert_says(&message(&object, "Stalled"), "repositories are gone");
    }
    let left = estate.emulator.repositories(ACCOUNT, REGION);
    assert_eq!(left, [format!("{survivor}/api-0")]);
    estate.finish().await;
}
