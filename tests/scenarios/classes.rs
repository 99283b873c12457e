//! Classes: where repositories are and as whom AWS is called, which class counts, and what changes
//! with it.

use serde_json::{Value, json};

use crate::{
    samples::keep_last,
    world::{
        assert_says,
        estate::{Estate, Object, condition, message},
    },
};

const HUB: &str = "123456789012";
const MEMBER: &str = "222222222222";
const REGION: &str = "ap-southeast-1";

fn role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/ecr-operator")
}

/// A class of another account, for everybody.
fn member(account: &str, region: &str) -> Value {
    json!({
        "registry": {"accountId": account, "region": region},
        "assumeRole": {"roleArn": role(account), "externalId": "sesame", "sessionTags": true},
        "allowedNamespaces": {},
    })
}

fn everybody() -> Value {
    json!({"allowedNamespaces": {}})
}

#[tokio::test]
async fn two_accounts_and_three_regions_are_served_side_by_side() {
    let estate = Estate::new("accounts").await;
    let places: Vec<(String, &str, &str)> = [HUB, MEMBER]
        .iter()
        .flat_map(|account| {
            ["ap-southeast-1", "eu-central-1", "us-east-1"]
                .map(|region| (format!("{region}-{}", &account[..3]), *account, region))
        })
        .collect();
    for (class, account, region) in &places {
        estate.class(class, member(account, region)).await;
        estate
            .emulator
            .configure(|it| drop(it.role_external_ids.insert(role(account), "sesame".into())));
    }
    for number in 0..8 {
        estate.namespace(&format!("team-{number}"), json!({})).await;
    }
    let team = |number: usize| format!("team-{number}");
    for number in 0..8 {
        for (class, ..) in &places {
            let spec = json!({"className": class, "tags": {"team": team(number)}});
            estate.apply(&team(number), class, spec).await;
        }
    }
    for number in 0..8 {
        for (class, account, region) in &places {
            let object = estate.ready(&team(number), class).await;
            let status = &object.data["status"];
            assert_eq!(status["registryId"], **account);
            assert_eq!(status["region"], **region);
            assert_eq!(status["className"], **class);
            let name = format!("{}/{class}", team(number));
            assert!(estate.emulator.repository(account, region, &name).is_some());
        }
    }
    for (class, account, region) in &places {
        let class = estate
            .wait(&estate.classes(), class, "eight users", |it| {
                it.data["status"]["repositories"] == 8
            })
            .await;
        assert_eq!(condition(&class, "Ready").unwrap().0, "True");
        assert_eq!(class.data["status"]["registryId"], **account);
        assert_eq!(class.data["status"]["region"], **region);
        assert_eq!(estate.emulator.repositories(account, region).len(), 8);
    }
    let calls = estate.calls();
    let assumed: Vec<_> = calls
        .iter()
        .filter(|c| c.operation == "AssumeRole")
        .collect();
    for call in &assumed {
        assert_says(&call.input.to_string(), "ecr-operator.dev/cluster");
        assert_says(&call.input.to_string(), "ecr-operator.dev/class");
    }
    // Cached: once a class and region, and not once an object.
    assert!(assumed.len() <= 4 * places.len(), "{}", assumed.len());
    estate.finish().await;
}

#[tokio::test]
async fn which_class_counts_is_always_clear() {
    let estate = Estate::new("choice").await;
    estate.namespace("payments", json!({})).await;
    estate.apply("payments", "api", json!({})).await;
    let object = estate.stalled("payments", "api", "NoClass").await;
    assert_says(&message(&object, "Ready"), "spec.className");
    assert_eq!(condition(&object, "Accepted").unwrap().0, "False");
    let named = json!({"className": "prod"});
    estate.apply("payments", "named", named).await;
    estate.stalled("payments", "named", "ClassNotFound").await;
    assert_eq!(estate.writes_since(0), [""; 0]);
    estate.default_class("one", everybody()).await;
    estate.ready("payments", "api").await;
    estate.class("prod", everybody()).await;
    estate.ready("payments", "named").await;
    let mark = estate.calls().len();
    // Created in the same second or later: it comes before the other by its name as well.
    estate.default_class("another", everybody()).await;
    let of = |class: &'static str| {
        move |it: &Object| {
            let ready = condition(it, "Ready").is_some_and(|(status, _)| status == "True");
            ready && it.data["status"]["className"] == class
        }
    };
    let repositories = estate.repositories("payments");
    estate
        .wait(&repositories, "api", "the newest", of("another"))
        .await;
    let object = estate.ready("payments", "named").await;
    assert_eq!(object.data["status"]["className"], "prod");
    estate.class("another", everybody()).await;
    estate
        .wait(&repositories, "api", "the one that is left", of("one"))
        .await;
    assert_eq!(estate.writes_since(mark), [""; 0]);
    estate.finish().await;
}

#[tokio::test]
async fn a_class_in_use_stays_until_its_last_object_goes() {
    let estate = Estate::new("inuse").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    estate.apply("payments", "api", json!({})).await;
    estate.ready("payments", "api").await;
    let classes = estate.classes();
    estate.held(&classes, "prod").await;
    estate.delete(&classes, "prod").await;
    let class = estate
        .says(&classes, "prod", ["Stalled", "True", "InUse"])
        .await;
    assert_says(&message(&class, "Ready"), "1 ECRRepositories");
    let repositories = estate.repositories("payments");
    estate.delete(&repositories, "api").await;
    estate.gone(&classes, "prod").await;
    assert!(
        estate
            .emulator
            .repository(HUB, REGION, "payments/api")
            .is_some()
    );
    estate.finish().await;
}

#[tokio::test]
async fn a_class_made_anew_for_another_account_moves_nothing() {
    let estate = Estate::new("anew").await;
    estate.namespace("payments", json!({})).await;
    estate.class("prod", member(HUB, REGION)).await;
    let spec = json!({"className": "prod", "deletionPolicy": "Delete"});
    estate.apply("payments", "api", spec).await;
    estate.ready("payments", "api").await;
    let mark = estate.calls().len();
    let classes = estate.classes();
    estate.held(&classes, "prod").await;
    // By force, as an administrator can: without the finalizer.
    estate.delete(&classes, "prod").await;
    estate
        .patch(&classes, "prod", json!({"finalizers": null}))
        .await;
    estate.stalled("payments", "api", "ClassNotFound").await;
    estate.class("prod", member(MEMBER, REGION)).await;
    estate.stalled("payments", "api", "IdentityChanged").await;
    // Deleting it waits as well, and Retain lets go.
    let repositories = estate.repositories("payments");
    estate.delete(&repositories, "api").await;
    let object = estate.stalled("payments", "api", "IdentityChanged").await;
    assert_says(&message(&object, "Ready"), "Retain");
    assert_eq!(estate.writes_since(mark), [""; 0]);
    assert_eq!(estate.emulator.repositories(MEMBER, REGION), [""; 0]);
    estate.class("other", everybody()).await;
    let spec = json!({"className": "other", "deletionPolicy": "Delete"});
    estate.apply("payments", "api", spec).await;
    estate
        .until("the repository goes", |it| {
            it.emulator.repositories(HUB, REGION).is_empty()
        })
        .await;
    estate.finish().await;
}

#[tokio::test]
async fn a_role_that_does_not_work_is_named_and_heals() {
    let estate = Estate::new("roles").await;
    estate.namespace("payments", json!({})).await;
    estate
        .emulator
        .configure(|it| assert!(it.denied_roles.insert(role(MEMBER))));
    estate.class("member", member(MEMBER, REGION)).await;
    estate.class("mine", everybody()).await;
    let of = |class: &str| json!({"className": class});
    estate.apply("payments", "member", of("member")).await;
    estate.apply("payments", "mine", of("mine")).await;
    estate.ready("payments", "mine").await;
    let repositories = estate.repositories("payments");
    let says = ["Reconciling", "True", "AccessDenied"];
    let object = estate.says(&repositories, "member", says).await;
    assert_says(&message(&object, "Ready"), "sts:AssumeRole");
    let classes = estate.classes();
    let class = estate.says(&classes, "member", says).await;
    assert_says(&message(&class, "Ready"), "sts:AssumeRole");
    assert_eq!(estate.emulator.repositories(MEMBER, REGION), [""; 0]);
    estate.emulator.configure(|it| it.denied_roles.clear());
    estate.ready("payments", "member").await;
    estate
        .wait(&classes, "member", "Ready", |it| {
            condition(it, "Ready").is_some_and(|(status, _)| status == "True")
        })
        .await;
    estate.finish().await;
}

#[tokio::test]
async fn credentials_of_another_account_than_declared_write_nothing() {
    let estate = Estate::new("wrong").await;
    estate.namespace("payments", json!({})).await;
    let wrong = json!({
        "registry": {"accountId": MEMBER, "region": REGION}, "allowedNamespaces": {},
    });
    estate.default_class("wrong", wrong).await;
    estate.apply("payments", "api", json!({})).await;
    let object = estate.stalled("payments", "api", "WrongAccount").await;
    assert_says(&message(&object, "Ready"), HUB);
    let says = ["Stalled", "True", "WrongAccount"];
    estate.says(&estate.classes(), "wrong", says).await;
    assert_eq!(estate.writes_since(0), [""; 0]);
    estate.finish().await;
}

#[tokio::test]
async fn what_a_class_says_reaches_exactly_its_users_and_never_their_spec() {
    let estate = Estate::new("effective").await;
    estate.namespace("payments", json!({})).await;
    let first = json!({
        "allowedNamespaces": {},
        "enforced": {"imageTagMutability": "IMMUTABLE", "tags": {"managed-by": "platform"}},
        "defaults": {
            "imageScanningConfiguration": {"scanOnPush": true},
            "lifecyclePolicy": keep_last(10),
            "tags": {"cost": "shared", "team": "nobody"},
        },
    });
    estate.default_class("prod", first.clone()).await;
    estate.class("dev", everybody()).await;
    let spec = json!({"imageTagMutability": "MUTABLE", "tags": {"team": "payments"}});
    estate.apply("payments", "api", spec.clone()).await;
    let opted_out = json!({"unmanaged": ["lifecyclePolicy"]});
    estate.apply("payments", "out", opted_out).await;
    estate
        .apply("payments", "dev", json!({"className": "dev"}))
        .await;
    let object = estate.ready("payments", "api").await;
    assert_eq!(object.data["spec"], spec);
    let accepted = Some(("True".to_owned(), "OverriddenByClass".to_owned()));
    assert_eq!(condition(&object, "Accepted"), accepted);
    assert_says(&message(&object, "Accepted"), "imageTagMutability");
    let source = |setting: &str| {
        let effective = object.data["status"]["effective"].as_array().unwrap();
        let of = effective.iter().filter(|it| it["setting"] == setting);
        of.map(|it| it["source"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(source("imageTagMutability"), ["enforced"]);
    assert_eq!(source("imageScanningConfiguration"), ["default"]);
    assert_eq!(source("lifecyclePolicy"), ["default"]);
    assert_eq!(source("repositoryPolicy"), ["unmanaged"]);
    let held = |name: &str| {
        let name = format!("payments/{name}");
        estate.emulator.repository(HUB, REGION, &name).unwrap()
    };
    let api = held("api");
    assert_eq!(api.image_tag_mutability, "IMMUTABLE");
    assert!(api.scan_on_push && api.lifecycle_policy.is_some());
    let tag = |key: &str| api.tags.get(key).map(String::as_str);
    assert_eq!(
        [tag("managed-by"), tag("cost"), tag("team")],
        [Some("platform"), Some("shared"), Some("payments")]
    );
    estate.ready("payments", "out").await;
    assert_eq!(held("out").lifecycle_policy, None);
    estate.ready("payments", "dev").await;
    let mark = estate.calls().len();
    let mut second = first;
    second["enforced"]["imageTagMutability"] = json!("MUTABLE");
    estate.default_class("prod", second).await;
    estate
        .until("both users follow", |it| it.writes_since(mark).len() == 2)
        .await;
    assert_eq!(held("api").image_tag_mutability, "MUTABLE");
    assert_eq!(held("out").image_tag_mutability, "MUTABLE");
    estate.ready("payments", "api").await;
    estate.more("DescribeRepositories", 9).await;
    assert_eq!(estate.writes_since(mark).len(), 2, "and nobody else");
    estate.finish().await;
}

#[tokio::test]
async fn names_come_from_the_template_and_labels() {
    let estate = Estate::new("template").await;
    estate
        .namespace("payments", json!({"environment": "prod"}))
        .await;
    let class = json!({
        "allowedNamespaces": {"matchLabels": {"environment": "prod"}},
        "nameTemplate": "${labels.project}-${name}-${namespaceLabels.environment}",
        "allowedNames": ["*-${namespaceLabels.environment}"],
    });
    estate.default_class("prod", class).await;
    estate.apply("payments", "api", json!({})).await;
    let object = estate.stalled("payments", "api", "InvalidSpec").await;
    assert_says(&message(&object, "Ready"), "project");
    let labels = json!({"project": "nashtech"});
    estate
        .apply_with("payments", "api", labels.clone(), json!({}))
        .await;
    let object = estate.ready("payments", "api").await;
    assert_eq!(object.data["status"]["repositoryName"], "nashtech-api-prod");
    // A label that changes leads elsewhere: nothing follows it.
    let mark = estate.calls().len();
    let other = json!({"project": "other"});
    estate.apply_with("payments", "api", other, json!({})).await;
    estate.stalled("payments", "api", "IdentityChanged").await;
    estate
        .apply_with("payments", "api", labels, json!({}))
        .await;
    estate.ready("payments", "api").await;
    assert_eq!(estate.writes_since(mark), [""; 0]);
    estate.finish().await;
}

#[tokio::test]
async fn a_namespace_that_loses_its_permission_keeps_what_it_has() {
    let estate = Estate::new("permission").await;
    let permitted = json!({"ecr": "yes"});
    estate.namespace("payments", permitted.clone()).await;
    let class = json!({"allowedNamespaces": {"matchLabels": permitted}});
    estate.default_class("prod", class).await;
    let spec = |tag: &str| json!({"tags": {"team": tag}, "deletionPolicy": "Delete"});
    estate.apply("payments", "api", spec("a")).await;
    estate.ready("payments", "api").await;
    let mark = estate.calls().len();
    estate.namespace("payments", json!({})).await;
    let object = estate.stalled("payments", "api", "NotPermitted").await;
    assert_says(&message(&object, "Accepted"), "allowedNamespaces");
    estate.apply("payments", "api", spec("b")).await;
    estate.stalled("payments", "api", "NotPermitted").await;
    estate.apply("payments", "another", json!({})).await;
    estate.stalled("payments", "another", "NotPermitted").await;
    assert_eq!(estate.writes_since(mark), [""; 0]);
    // Nor is anything deleted any more: the object waits, and says so.
    let repositories = estate.repositories("payments");
    estate.delete(&repositories, "api").await;
    let object = estate
        .wait(&repositories, "api", "it waits", |it| {
            it.metadata.deletion_timestamp.is_some()
                && message(it, "Ready").contains("Retain: the repository stays")
        })
        .await;
    assert_says(&message(&object, "Accepted"), "allowedNamespaces");
    let mut retained = spec("b");
    retained["deletionPolicy"] = json!("Retain");
    estate.apply("payments", "api", retained).await;
    estate.gone(&repositories, "api").await;
    assert_eq!(estate.writes_since(mark), [""; 0]);
    estate.finish().await;
}

#[tokio::test]
async fn a_deletion_that_the_class_does_not_permit_waits() {
    let estate = Estate::new("deletions").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    let spec = json!({"deletionPolicy": "DeleteWithImages"});
    estate.apply("payments", "api", spec).await;
    let object = estate.stalled("payments", "api", "NotPermitted").await;
    assert_says(&message(&object, "Accepted"), "deletionPolicy");
    let wide = json!({
        "allowedNamespaces": {}, "deletionPolicies": ["Retain", "Delete", "DeleteWithImages"],
    });
    estate.default_class("prod", wide).await;
    estate.ready("payments", "api").await;
    estate.default_class("prod", everybody()).await;
    estate.stalled("payments", "api", "NotPermitted").await;
    let repositories = estate.repositories("payments");
    estate.delete(&repositories, "api").await;
    let object = estate
        .wait(&repositories, "api", "it waits", |it| {
            it.metadata.deletion_timestamp.is_some()
                && condition(it, "Stalled").is_some_and(|(_, reason)| reason == "NotPermitted")
                && message(it, "Ready").contains("Retain")
        })
        .await;
    assert_says(&message(&object, "Accepted"), "Delete");
    assert!(
        estate
            .emulator
            .repository(HUB, REGION, "payments/api")
            .is_some()
    );
    estate
        .apply("payments", "api", json!({"deletionPolicy": "Retain"}))
        .await;
    estate.gone(&repositories, "api").await;
    assert!(
        estate
            .emulator
            .repository(HUB, REGION, "payments/api")
            .is_some()
    );
    estate.finish().await;
}

#[tokio::test]
async fn a_lifecycle_policy_of_a_class_asks_before_it_deletes_images() {
    let estate = Estate::new("guard").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    for name in ["full", "empty"] {
        estate.apply("payments", name, json!({})).await;
        estate.ready("payments", name).await;
    }
    for number in 0..5 {
        estate.push(HUB, REGION, "payments/full", &format!("v{number}"));
    }
    let mut class = everybody();
    class["defaults"] = json!({"lifecyclePolicy": keep_last(2)});
    estate.default_class("prod", class.clone()).await;
    estate.ready("payments", "empty").await;
    let object = estate
        .stalled("payments", "full", "LifecycleNeedsApproval")
        .await;
    assert_says(&message(&object, "Ready"), "Would delete 3 of 5 images");
    let held = |name: &str| {
        let name = format!("payments/{name}");
        estate.emulator.repository(HUB, REGION, &name).unwrap()
    };
    estate
        .until("the empty one has it", |_| {
            held("empty").lifecycle_policy.is_some()
        })
        .await;
    assert_eq!(held("full").lifecycle_policy, None);
    let pending = &object.data["status"]["pending"][0];
    let told = pending["message"].as_str().unwrap();
    let hash = told
        .split("ecr-operator.dev/approve-lifecycle=")
        .nth(1)
        .and_then(|it| it.get(..16))
        .unwrap();
    let key = "ecr-operator.dev/approve-lifecycle";
    estate.annotate("payments", "full", key, hash).await;
    estate.ready("payments", "full").await;
    assert!(held("full").lifecycle_policy.is_some());
    // Within the guard nobody is asked.
    class["defaults"]["lifecyclePolicy"] = keep_last(1);
    class["lifecycleGuard"] = json!({"maxExpire": 4});
    estate.default_class("prod", class).await;
    estate
        .until("the next policy", |_| {
            held("full")
                .lifecycle_policy
                .is_some_and(|it| it.contains("\"countNumber\":1"))
        })
        .await;
    estate.ready("payments", "full").await;
    estate.finish().await;
}

#[tokio::test]
async fn a_class_approves_for_all_that_were_lost() {
    let estate = Estate::new("approval").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("prod", everybody()).await;
    let names: Vec<_> = (0..7).map(|number| format!("r{number}")).collect();
    for name in &names {
        estate.apply("payments", name, json!({})).await;
    }
    for name in &names {
        estate.ready("payments", name).await;
    }
    for name in &names {
        let input = json!({"repositoryName": format!("payments/{name}"), "force": true});
        let deleted = estate.emulator.call(HUB, REGION, "DeleteRepository", input);
        deleted.unwrap();
    }
    let mut last = String::new();
    for name in &names {
        let repositories = estate.repositories("payments");
        let object = estate.wait(&repositories, name, "its loss", |it| {
            condition(it, "Stalled").is_some_and(|(_, reason)| reason == "ManyRepositoriesLost")
        });
        let object = object.await;
        let at = object.data["status"]["lastLoss"]["at"].as_str().unwrap();
        last = last.max(at.to_owned());
    }
    assert_eq!(estate.emulator.repositories(HUB, REGION), [""; 0]);
    let approval = json!({"annotations": {"ecr-operator.dev/approve-recreate": last}});
    estate.patch(&estate.classes(), "prod", approval).await;
    for name in &names {
        estate.ready("payments", name).await;
    }
    assert_eq!(estate.emulator.repositories(HUB, REGION).len(), 7);
    estate.finish().await;
}

#[tokio::test]
async fn what_a_class_enforces_decides_over_a_deletion() {
    let estate = Estate::new("enforced").await;
    estate.namespace("payments", json!({})).await;
    let mut class = everybody();
    class["enforced"] = json!({"deletionPolicy": "Delete"});
    estate.default_class("prod", class).await;
    let spec = json!({"deletionPolicy": "Retain"});
    estate.apply("payments", "api", spec).await;
    let object = estate.ready("payments", "api").await;
    assert_says(&message(&object, "Accepted"), "deletionPolicy");
    estate.push(HUB, REGION, "payments/api", "v1");
    let repositories = estate.repositories("payments");
    estate.delete(&repositories, "api").await;
    let object = estate
        .stalled("payments", "api", "RepositoryNotEmpty")
        .await;
    assert_says(&message(&object, "Ready"), "have the class enforce");
    let input = json!({"repositoryName": "payments/api", "imageIds": [{"imageTag": "v1"}]});
    let deleted = estate.emulator.call(HUB, REGION, "BatchDeleteImage", input);
    deleted.unwrap();
    estate
        .until("the repository goes", |it| {
            it.emulator.repositories(HUB, REGION).is_empty()
        })
        .await;
    estate.finish().await;
}

#[tokio::test]
async fn credentials_of_a_role_that_are_no_longer_taken_are_renewed() {
    let estate = Estate::new("expired").await;
    estate.namespace("payments", json!({})).await;
    estate.default_class("member", member(MEMBER, REGION)).await;
    estate.apply("payments", "api", json!({})).await;
    estate.ready("payments", "api").await;
    // To the SDK they have most of their hour still to go.
    estate.emulator.advance(std::time::Duration::from_hours(2));
    let spec = json!({"tags": {"team": "payments"}});
    estate.apply("payments", "api", spec).await;
    estate.ready("payments", "api").await;
    let expired = |call: &ecr_emulator::Call| {
        let answer = call.answer.as_ref();
        answer.is_err_and(|error| error.code == "ExpiredTokenException")
    };
    assert!(estate.calls().iter().any(expired), "they had run out");
    estate.finish().await;
}
