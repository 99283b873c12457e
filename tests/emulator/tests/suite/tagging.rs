//! The Resource Groups Tagging API, through its SDK.

use std::time::Duration;

use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, TagFilter};
use ecr_emulator::Emulator;
use serde_json::json;

use crate::support::{ACCOUNT, REGION, apply, arn, create, key, refused, sdk, start};

fn tagging(emulator: &Emulator) -> Client {
    Client::new(&sdk(emulator, key(ACCOUNT), REGION))
}

fn tagged(emulator: &Emulator, name: &str, key: &str, value: &str) {
    let tags = json!([{ "Key": key, "Value": value }]);
    let input = json!({ "repositoryName": name, "tags": tags });
    apply(emulator, "CreateRepository", input);
}

fn filter(key: &str, values: &[&str]) -> TagFilter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    TagFilter::builder()
        .key(key)
        .set_values(Some(values))
        .build()
}

fn name(resource: &ResourceTagMapping) -> String {
    let arn = resource.resource_arn().unwrap();
    arn.rsplit_once('/').unwrap().1.to_owned()
}

/// The names of all repositories that have these tags, of all pages.
async fn names(client: &Client, filters: &[TagFilter]) -> Vec<String> {
    let ask = client
        .get_resources()
        .set_tag_filters(Some(filters.to_vec()));
    let found = ask
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>();
    found.await.unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn resources_come_in_pages_of_a_hundred() {
    let emulator = start().await;
    create(&emulator, "plain");
    for number in 0..150 {
        tagged(&emulator, &format!("r{number:03}"), "owner", "a");
    }
    let client = tagging(&emulator);
    let ask = || {
        client
            .get_resources()
            .resource_type_filters("ecr:repository")
    };
    let first = ask().send().await.unwrap();
    let page = first.resource_tag_mapping_list();
    assert_eq!(
        (page.len(), page[0].resource_arn()),
        (100, Some(arn("r000").as_str()))
    );
    let tag = &page[0].tags()[0];
    assert_eq!((tag.key(), tag.value()), ("owner", "a"));
    let token = first.pagination_token().unwrap();
    let rest = ask().pagination_token(token).send().await.unwrap();
    assert_eq!(rest.resource_tag_mapping_list().len(), 50);
    assert_eq!(rest.pagination_token(), Some(""));
    // The SDK's own way through the pages, of any size.
    for size in [1, 7, 100] {
        let pages = ask().resources_per_page(size).into_paginator();
        let found = pages
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .unwrap();
        let wanted: Vec<String> = (0..150).map(|number| format!("r{number:03}")).collect();
        assert_eq!(found.iter().map(name).collect::<Vec<_>>(), wanted, "{size}");
    }
    // A token belongs to its question.
    let other = client.get_resources().pagination_token(token).send().await;
    assert_eq!(refused(other).0, "PaginationTokenExpiredException");
}

#[tokio::test]
async fn filters_are_all_to_be_passed_each_by_one_of_its_values() {
    let emulator = start().await;
    for (name, key, value) in [
        ("aa", "owner", "a"),
        ("bb", "owner", "b"),
        ("cc", "team", "a"),
    ] {
        tagged(&emulator, name, key, value);
    }
    let both = json!({ "resourceArn": arn("bb"), "tags": [{ "Key": "team", "Value": "b" }] });
    apply(&emulator, "TagResource", both);
    let client = tagging(&emulator);
    for (filters, wanted) in [
        (vec![], vec!["aa", "bb", "cc"]),
        (vec![filter("owner", &[])], vec!["aa", "bb"]),
        (vec![filter("owner", &["b", "z"])], vec!["bb"]),
        (vec![filter("owner", &[]), filter("team", &[])], vec!["bb"]),
        (vec![filter("Owner", &[])], vec![]),
        (vec![filter("owner", &["A"])], vec![]),
    ] {
        assert_eq!(names(&client, &filters).await, wanted, "{filters:?}");
    }
    for (kinds, wanted) in [
        (&["ecr:repository"][..], 3),
        (&["ecr"], 3),
        (&["s3", "ecr"], 3),
        (&["s3", "ec2:instance"], 0),
    ] {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let ask = client
            .get_resources()
            .set_resource_type_filters(Some(kinds));
        let found = ask.send().await.unwrap();
        assert_eq!(found.resource_tag_mapping_list().len(), wanted);
    }
    let one = client
        .get_resources()
        .resource_arn_list(arn("cc"))
        .resource_arn_list(arn("none"));
    let found = one.send().await.unwrap();
    let found: Vec<String> = found.resource_tag_mapping_list().iter().map(name).collect();
    assert_eq!(found, ["cc"]);
    let ask = || client.get_resources();
    for (wrong, code) in [
        (ask().resources_per_page(101), "InvalidParameterException"),
        (
            ask().resource_arn_list(arn("aa")).resources_per_page(5),
            "InvalidParameterException",
        ),
        (
            ask().pagination_token("made-up"),
            "PaginationTokenExpiredException",
        ),
    ] {
        assert_eq!(refused(wrong.send().await).0, code);
    }
}

#[tokio::test]
async fn resources_are_as_late_as_the_settings_say() {
    let emulator = start().await;
    emulator.configure(|settings| settings.tagging_lag_millis = 60_000);
    let client = tagging(&emulator);
    let by_tag = [filter("owner", &[])];
    tagged(&emulator, "api", "owner", "a");
    assert!(names(&client, &[]).await.is_empty());
    emulator.advance(Duration::from_mins(1));
    assert_eq!(names(&client, &[]).await, ["api"]);
    let untag = json!({ "resourceArn": arn("api"), "tagKeys": ["owner"] });
    apply(&emulator, "UntagResource", untag);
    assert_eq!(names(&client, &by_tag).await, ["api"]);
    emulator.advance(Duration::from_mins(1));
    // What had tags once is a resource still.
    assert!(names(&client, &by_tag).await.is_empty());
    assert_eq!(names(&client, &[]).await, ["api"]);
    let gone = json!({ "repositoryName": "api" });
    apply(&emulator, "DeleteRepository", gone);
    assert_eq!(names(&client, &[]).await, ["api"]);
    emulator.advance(Duration::from_mins(1));
    assert!(names(&client, &[]).await.is_empty());
}
