//! Pages and their tokens.

use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, REGION, apply, assert_refused, client, create, post, push, refused, start,
};

#[tokio::test]
async fn a_registry_is_read_page_by_page() {
    let emulator = start().await;
    for index in 0..250 {
        create(&emulator, &format!("repo{index:03}"));
    }
    let client = client(&emulator);
    for (size, pages) in [
        (None, 3),
        (Some(7), 36),
        (Some(125), 2),
        (Some(250), 1),
        (Some(1000), 1),
    ] {
        emulator.reset();
        let names: Vec<String> = client
            .describe_repositories()
            .set_max_results(size)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .unwrap()
            .into_iter()
            .map(|repository| repository.repository_name.unwrap())
            .collect();
        assert_eq!(names, emulator.repositories(ACCOUNT, REGION));
        assert_eq!(
            emulator.calls().get("DescribeRepositories"),
            Some(&pages),
            "{size:?}"
        );
    }
}

#[tokio::test]
async fn what_comes_and_goes_between_two_pages_hides_nothing_else() {
    let emulator = start().await;
    for name in ["aa", "bb", "cc", "dd"] {
        create(&emulator, name);
    }
    let client = client(&emulator);
    let first = client
        .describe_repositories()
        .max_results(2)
        .send()
        .await
        .unwrap();
    apply(
        &emulator,
        "DeleteRepository",
        json!({ "repositoryName": "aa" }),
    );
    apply(
        &emulator,
        "DeleteRepository",
        json!({ "repositoryName": "bb" }),
    );
    create(&emulator, "ca");
    let rest = client
        .describe_repositories()
        .next_token(first.next_token().unwrap())
        .send()
        .await
        .unwrap();
    let names: Vec<_> = rest
        .repositories()
        .iter()
        .filter_map(|repository| repository.repository_name())
        .collect();
    assert_eq!(names, ["ca", "cc", "dd"]);
    assert_eq!(rest.next_token(), None);
}

#[tokio::test]
async fn a_token_belongs_to_its_list() {
    let emulator = start().await;
    create(&emulator, "one");
    create(&emulator, "two");
    let client = client(&emulator);
    push(&client, "one", &["a", "b"]).await;
    let token = client
        .list_images()
        .repository_name("one")
        .max_results(1)
        .send()
        .await
        .unwrap();
    let token = token.next_token().unwrap();
    client
        .list_images()
        .repository_name("one")
        .next_token(token)
        .send()
        .await
        .unwrap();
    for outcome in [
        refused(
            client
                .describe_repositories()
                .next_token("made up")
                .send()
                .await,
        ),
        refused(
            client
                .describe_repositories()
                .next_token(token)
                .send()
                .await,
        ),
        refused(
            client
                .list_images()
                .repository_name("two")
                .next_token(token)
                .send()
                .await,
        ),
        refused(
            client
                .describe_images()
                .repository_name("one")
                .next_token(token)
                .send()
                .await,
        ),
    ] {
        assert_eq!(outcome.0, "InvalidParameterException");
        assert!(
            outcome.1.starts_with("Invalid parameter at 'nextToken'"),
            "{}",
            outcome.1
        );
    }
}

#[tokio::test]
async fn names_are_looked_up_together_or_not_at_all() {
    let emulator = start().await;
    for index in 0..100 {
        create(&emulator, &format!("repo{index}"));
    }
    let client = client(&emulator);
    let names = |range: std::ops::Range<u32>| {
        Some(
            range
                .map(|index| format!("repo{index}"))
                .collect::<Vec<_>>(),
        )
    };
    let all = client
        .describe_repositories()
        .set_repository_names(names(0..100))
        .send()
        .await
        .unwrap();
    assert_eq!(all.repositories().len(), 100);
    assert_refused(
        client
            .describe_repositories()
            .set_repository_names(names(50..101))
            .send()
            .await,
        "RepositoryNotFoundException",
        "The repository with name 'repo100' does not exist in the registry with id '111122223333'",
    );
    assert_refused(
        client
            .describe_repositories()
            .set_repository_names(names(0..101))
            .send()
            .await,
        "InvalidParameterException",
        "Invalid parameter at 'repositoryNames' failed to satisfy constraint: 'Member must have \
         length less than or equal to 100'",
    );
    let (_, twice) = post(
        &emulator,
        "DescribeRepositories",
        json!({ "repositoryNames": ["repo1", "repo1"] }),
    )
    .await;
    assert_eq!(twice["repositories"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn names_and_paging_exclude_each_other() {
    let emulator = start().await;
    create(&emulator, "api");
    let names = json!(["api"]);
    let ids = json!([{ "imageTag": "v1" }]);
    for (operation, list, value) in [
        ("DescribeRepositories", "repositoryNames", names),
        ("DescribeImages", "imageIds", ids),
    ] {
        for (name, given) in [("maxResults", json!(1)), ("nextToken", json!("x"))] {
            let mut input = json!({ list: value, name: given });
            if operation == "DescribeImages" {
                input["repositoryName"] = json!("api");
            }
            let (status, body) = post(&emulator, operation, input).await;
            assert_eq!(
                (status, &body["__type"]),
                (400, &Value::from("InvalidParameterException"))
            );
            let message = body["message"].as_str().unwrap();
            assert!(
                message.starts_with(&format!("Invalid parameter at '{name}'")),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn an_empty_registry_is_one_empty_page() {
    let emulator = start().await;
    let (status, body) = post(&emulator, "DescribeRepositories", json!({})).await;
    assert_eq!((status, body), (200, json!({ "repositories": [] })));
}
