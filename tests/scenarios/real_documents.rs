//! Documents as people have them, pasted as they are: which are taken, and what is said of the others.

use ecr_operator::api::ECRRepository;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::looking::{pending, reconcile_now, writes};
use crate::world::{World, assert_says, condition, estate, estate::Estate, message};

fn statement(members: &Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "ecr:BatchGetImage"});
    let more = members.as_object().unwrap().clone();
    statement.as_object_mut().unwrap().extend(more);
    statement
}

fn policy(members: &Value) -> Value {
    json!({"repositoryPolicy": {"Version": "2012-10-17", "Statement": [statement(members)]}})
}

/// Keys in other letters, as they come from clients that are only warned: nothing of them is left but `{}`.
#[tokio::test]
async fn keys_that_are_misspelt_take_nothing_away() {
    let mut world = World::new("misspelt").await;
    let repository = world.in_ecr("api");
    let before = world.make_outside(&repository, &[]);
    world.permit_adoption("api");
    world
        .apply("api", json!({"adoption": {"policy": "IfUnowned"}}))
        .await;
    world.ready("api").await;
    for (misspelt, says) in [
        (
            json!({"repositoryPolicy": {"version": "2012-10-17", "statement": []}}),
            "spec.repositoryPolicy.Statement: Required value: names no statement",
        ),
        (
            json!({"access": {"pulls": ["111122223333"]}}),
            "spec.access: Invalid value: names neither pull nor push",
        ),
        (
            json!({"imageScanningConfiguration": {"scanonpush": true}}),
            "spec.imageScanningConfiguration.scanOnPush: Required value",
        ),
    ] {
        let patch = Patch::Merge(json!({"spec": misspelt}));
        let (api, warned) = (world.api(), PatchParams::default());
        let patched = api.patch("api", &warned, &patch).await;
        assert_says(&patched.unwrap_err().to_string(), says);
    }
    reconcile_now(&world, "api", "1").await;
    world.looks(&repository, 2).await;
    let after = world.held(&repository);
    assert_eq!(World::without_tags(after), World::without_tags(before));
    world.finish().await;
}

/// The documents, and how the message begins.
fn refused_for_certain() -> [(&'static str, Value, &'static str); 9] {
    [
        (
            "action-typo",
            json!({"Action": ["ecr:BatchGetImage", "ecr:BatchCheckLaterAvailability"]}),
            "`ecr:BatchCheckLaterAvailability` is no action of ECR, at spec.repositoryPolicy.Statement[0].Action[1] — \
             did you mean `ecr:BatchCheckLayerAvailability`?",
        ),
        (
            "action-typo-2",
            json!({"Principal": {"AWS": "*"}, "Action": ["ecr:BatchGetImage", "ecr:GetAuthoirizationToken"],
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}}),
            "`ecr:GetAuthoirizationToken` is no action of ECR",
        ),
        (
            "action-space",
            json!({"Sid": "new statement", "Principal": "*", "Action": ["ecr: ListImages", "ecr:BatchGetImage"]}),
            "`ecr: ListImages` has a space in it",
        ),
        (
            "no-account",
            json!({"Principal": {"AWS": ["arn:aws:iam::root"]}}),
            "`arn:aws:iam::root` is no ARN of IAM or STS with an account id of 12 digits",
        ),
        (
            "short-account",
            json!({"Principal": {"AWS": ["11112222333"]}}),
            "`11112222333` is no account id of 12 digits",
        ),
        (
            "operator",
            json!({"Condition": {"Foo": {"a": "b"}}}),
            "`Foo` is no operator of conditions",
        ),
        (
            "service",
            json!({"Principal": {"Service": "*"}}),
            "`*` is no service",
        ),
        (
            "other-service",
            json!({"Action": ["ecr:PutImage", "s3:GetObject"]}),
            "`s3:GetObject` is no action of ECR",
        ),
        (
            "key",
            json!({"Effetc": "Deny"}),
            "`Effetc` is no key of spec.repositoryPolicy.Statement[0]",
        ),
    ]
}

#[tokio::test]
async fn what_ecr_is_certain_to_refuse_is_said_at_once_and_never_sent() {
    let world = World::new("certain").await;
    for (name, members, _) in refused_for_certain() {
        world.apply(name, policy(&members)).await;
    }
    for (name, _, says) in refused_for_certain() {
        let object = world.stalled(name, "InvalidSpec").await;
        for type_ in ["Ready", "Stalled", "Accepted"] {
            let said = message(&object, type_);
            assert!(said.starts_with(says), "{name}, {type_}: {said}");
        }
        assert_eq!(writes(&world, name, 0), ["CreateRepository"]);
    }
    world.finish().await;
}

/// Nobody knows for certain that ECR refuses it; once it does, the message says where to look first.
#[tokio::test]
async fn a_word_that_may_be_refused_is_sent_and_named_once_it_is() {
    let world = World::new("suspect").await;
    let token = policy(&json!({"Action": ["ecr:BatchGetImage", "ecr:GetAuthorizationToken"]}));
    world.apply("api", token).await;
    let refused = |object: &ECRRepository| {
        condition(object, "Reconciling") == Some(("True", "PolicyNotYetAccepted"))
    };
    let object = world.wait("api", "it is refused", refused).await;
    assert_says(
        message(&object, "Ready"),
        "look first at `ecr:GetAuthorizationToken`, which is about no repository",
    );
    assert_says(message(&object, "Ready"), "then at 111122223333");
    assert_says(
        message(&object, "Ready"),
        "Invalid repository policy provided",
    );
    assert!(writes(&world, "api", 0).contains(&"SetRepositoryPolicy".to_owned()));
    world.apply("api", policy(&json!({}))).await;
    world.ready("api").await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_empty_and_harmless_is_taken_for_absent() {
    let world = World::new("empties").await;
    world
        .apply("condition", policy(&json!({"Condition": {}})))
        .await;
    let none = json!({"Version": "2012-10-17", "Statement": []});
    world
        .apply(
            "statement",
            json!({"repositoryPolicy": none, "access": {"pull": ["111122223333"]}}),
        )
        .await;
    for name in ["condition", "statement"] {
        let object = world.ready(name).await;
        assert!(pending(&object).is_empty());
        let sent = writes(&world, name, 0);
        assert_eq!(sent, ["CreateRepository", "SetRepositoryPolicy"]);
    }
    assert_says(
        &world.repository("statement").unwrap().policy.unwrap(),
        "EcrOperatorPull",
    );
    // IAM writes it so where there is none.
    let empty =
        json!({"Version": "2012-10-17", "Statement": [statement(&json!({"Condition": {}}))]});
    let repository = world.in_ecr("condition");
    world.outside(
        "SetRepositoryPolicy",
        json!({"repositoryName": repository, "policyText": empty.to_string()}),
    );
    let mark = world.calls().len();
    reconcile_now(&world, "condition", "1").await;
    world.looks(&repository, 2).await;
    assert_eq!(writes(&world, "condition", mark), Vec::<String>::new());
    // And none at all is none.
    world
        .apply("statement", json!({"repositoryPolicy": {"Statement": []}}))
        .await;
    world
        .until("there is no policy", |w| {
            w.repository("statement").unwrap().policy.is_none()
        })
        .await;
    world.ready("statement").await;
    world.finish().await;
}

/// "Deny all others", as it is on many a page: the operator is one of them.
#[tokio::test]
async fn a_denial_of_all_others_is_warned_of() {
    let world = World::new("deny-others").await;
    let others = json!({"Sid": "DenyAllOthers", "Effect": "Deny", "Principal": "*", "Action": "ecr:*",
        "Condition": {"StringNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:user/dev-user"}}});
    let describe = json!({"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "ecr:DescribeRepositories"});
    for (name, members) in [("others", others), ("describe", describe)] {
        world.apply(name, policy(&members)).await;
        world.event(name, "OperatorMayBeDenied").await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_key_may_be_written_as_its_arn_once_the_repository_exists() {
    let world = World::new("key").await;
    let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let with =
        |key: &str| json!({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": key}});
    world.apply("api", with(id)).await;
    world.ready("api").await;
    let mark = world.calls().len();
    let arn = world.repository("api").unwrap().kms_key.unwrap();
    assert!(arn.ends_with(&format!(":key/{id}")), "{arn}");
    for key in [&arn, id] {
        world.apply("api", with(key)).await;
        world.ready("api").await;
    }
    assert_eq!(writes(&world, "api", mark), Vec::<String>::new());
    let other = arn.replace("1234abcd", "0000abcd");
    let refusal = world.try_apply("api", with(&other)).await.unwrap_err();
    assert_says(
        &refusal.to_string(),
        "spec.encryptionConfiguration: Forbidden: is immutable",
    );
    world.finish().await;
}

#[tokio::test]
async fn the_uri_of_a_repository_is_no_name() {
    let world = World::new("uri").await;
    for uri in [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1",
        "123456789012.dkr-ecr.eu-west-1.on.aws/app",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/app",
    ] {
        let refusal = world.try_apply("api", json!({"repositoryName": uri})).await;
        assert_says(
            &refusal.unwrap_err().to_string(),
            "is the URI or the ARN of a repository — write its name alone",
        );
    }
    assert!(world.calls().is_empty());
    world.finish().await;
}

/// No partition knows the roles and keys of another.
#[tokio::test]
async fn a_class_in_china_has_a_role_of_china() {
    let estate = Estate::new("partitions").await;
    let class = |partition: &str| {
        json!({
            "registry": {"accountId": "444455556666", "region": "cn-north-1"},
            "assumeRole": {"roleArn": format!("arn:{partition}:iam::444455556666:role/ecr-operator")},
            "allowedNamespaces": {},
        })
    };
    estate.class("china", class("aws")).await;
    let says = ["Stalled", "True", "InvalidSpec"];
    let object = estate.says(&estate.classes(), "china", says).await;
    assert_says(
        &estate::message(&object, "Ready"),
        "spec.assumeRole.roleArn is of the partition aws, and cn-north-1 is of aws-cn — write it as \
         arn:aws-cn:iam::444455556666:role/ecr-operator",
    );
    assert!(
        estate
            .calls()
            .iter()
            .all(|call| call.operation != "AssumeRole")
    );
    estate.class("china", class("aws-cn")).await;
    estate
        .wait(&estate.classes(), "china", "another verdict", |object| {
            estate::condition(object, "Stalled").is_none_or(|(_, reason)| reason != "InvalidSpec")
        })
        .await;
    estate.finish().await;
}
