//! Tags of repositories.

use aws_sdk_ecr::types::Tag;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, arn, assert_refused, client, create, post, refused, start};

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

#[tokio::test]
async fn tags_are_set_replaced_listed_and_removed() {
    let emulator = start().await;
    create(&emulator, "team/api");
    let client = client(&emulator);
    let arn = arn("team/api");
    let add = || client.tag_resource().resource_arn(&arn);
    let list = async || {
        let listed = client.list_tags_for_resource().resource_arn(&arn).send();
        listed.await.unwrap().tags().to_vec()
    };
    let two = add()
        .tags(tag("team", "payments"))
        .tags(tag("stage", "dev"));
    two.send().await.unwrap();
    add().tags(tag("stage", "prod")).send().await.unwrap();
    assert_eq!(
        list().await,
        [tag("stage", "prod"), tag("team", "payments")]
    );
    let remove = client.untag_resource().resource_arn(&arn);
    let remove = remove.tag_keys("stage").tag_keys("never-there");
    remove.send().await.unwrap();
    assert_eq!(list().await, [tag("team", "payments")]);
}

#[tokio::test]
async fn there_are_at_most_fifty() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    let many = |from: u32, to: u32| Some((from..to).map(|i| tag(&format!("k{i}"), "")).collect());
    client
        .tag_resource()
        .resource_arn(arn("api"))
        .set_tags(many(0, 50))
        .send()
        .await
        .unwrap();
    // One that is there already makes no more of them.
    client
        .tag_resource()
        .resource_arn(arn("api"))
        .tags(tag("k1", "new"))
        .send()
        .await
        .unwrap();
    let one_more = client
        .tag_resource()
        .resource_arn(arn("api"))
        .tags(tag("k50", ""));
    assert_eq!(refused(one_more.send().await).0, "TooManyTagsException");
    let create = client
        .create_repository()
        .repository_name("bb")
        .set_tags(many(0, 51));
    assert_eq!(refused(create.send().await).0, "TooManyTagsException");
    let state = emulator.repository(ACCOUNT, REGION, "api").unwrap();
    assert_eq!(state.tags.len(), 50);
    assert_eq!(emulator.repositories(ACCOUNT, REGION), ["api"]);
}

#[tokio::test]
async fn keys_and_values_have_bounds() {
    let emulator = start().await;
    create(&emulator, "api");
    let k128 = "k".repeat(128);
    let v256 = "v".repeat(256);
    let client = client(&emulator);
    for (key, value) in [
        (k128.as_str(), v256.as_str()),
        ("a b.c_d:e/f=g+h-i@j", ""),
        ("Größe", "日本"),
        ("awsome:key", "aws:value"),
    ] {
        client
            .tag_resource()
            .resource_arn(arn("api"))
            .tags(tag(key, value))
            .send()
            .await
            .unwrap();
    }
    let k129 = "k".repeat(129);
    let v257 = "v".repeat(257);
    for (key, value) in [
        ("", "v"),
        (k129.as_str(), "v"),
        ("k", v257.as_str()),
        ("aws:team", "v"),
        ("AWS:team", "v"),
        ("semi;colon", "v"),
        ("k", "semi;colon"),
    ] {
        let on_tag = client
            .tag_resource()
            .resource_arn(arn("api"))
            .tags(tag(key, value));
        assert_eq!(
            refused(on_tag.send().await).0,
            "InvalidTagParameterException",
            "{key}"
        );
        let create = client
            .create_repository()
            .repository_name("new")
            .tags(tag(key, value));
        assert_eq!(
            refused(create.send().await).0,
            "InvalidTagParameterException",
            "{key}"
        );
    }
    let twice = client
        .tag_resource()
        .resource_arn(arn("api"))
        .tags(tag("same", "1"))
        .tags(tag("same", "2"));
    assert_eq!(
        refused(twice.send().await).0,
        "InvalidTagParameterException"
    );
    let reserved = client
        .untag_resource()
        .resource_arn(arn("api"))
        .tag_keys("aws:x");
    assert_eq!(
        refused(reserved.send().await).0,
        "InvalidTagParameterException"
    );
    assert_eq!(emulator.repositories(ACCOUNT, REGION), ["api"]);
}

#[tokio::test]
async fn the_arn_must_name_a_repository_here() {
    let emulator = start().await;
    create(&emulator, "api");
    let client = client(&emulator);
    for wrong in [
        "api",
        "arn:aws:ecr:eu-central-1:111122223333:api",
        "arn:aws:ecr:eu-central-1:1111:repository/api",
        "arn:aws:s3:eu-central-1:111122223333:repository/api",
        "arn:aws:ecr:us-east-1:111122223333:repository/api",
        "arn:aws-cn:ecr:eu-central-1:111122223333:repository/api",
        "",
    ] {
        assert_refused(
            client
                .list_tags_for_resource()
                .resource_arn(wrong)
                .send()
                .await,
            "InvalidParameterException",
            "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'",
        );
    }
    for (arn, message) in [
        (
            arn("none"),
            "The repository with name 'none' does not exist in the registry with id '111122223333'",
        ),
        (
            "arn:aws:ecr:eu-central-1:999999999999:repository/api".to_owned(),
            "The repository with name 'api' does not exist in the registry with id '999999999999'",
        ),
    ] {
        for (operation, extra) in [
            ("ListTagsForResource", None),
            (
                "TagResource",
                Some(("tags", json!([{ "Key": "k", "Value": "v" }]))),
            ),
            ("UntagResource", Some(("tagKeys", json!(["k"])))),
        ] {
            let mut input = json!({ "resourceArn": arn });
            if let Some((name, value)) = extra {
                input[name] = value;
            }
            let (_, body) = post(&emulator, operation, input).await;
            assert_eq!(body["__type"], Value::from("RepositoryNotFoundException"));
            assert_eq!(body["message"], message);
        }
    }
}
