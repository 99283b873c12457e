//! What stays out of the domain, and out of everything but the adapter.

use crate::source::{Fault, Source};
use crate::{check, expect};

/// Beginnings of paths that reach out of the process, or to a clock.
const IMPURE: [&[&str]; 14] = [
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "SystemTime"],
    &["std", "time", "Instant"],
    &["tokio"],
    &["tokio_util"],
    &["futures"],
    &["kube", "Client"],
    &["kube", "Api"],
    &["kube", "runtime"],
];

/// Words that do so wherever they stand.
const IMPURE_WORDS: [&str; 9] = [
    "async",
    "await",
    "Instant",
    "SystemTime",
    "println",
    "eprintln",
    "print",
    "eprint",
    "dbg",
];

fn purity(source: &Source) -> Vec<Fault> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for named in source.paths() {
        let path = &named.segments;
        let clock = path.len() > 1 && path.last().is_some_and(|it| it == "now");
        let aws = path.first().is_some_and(|it| it.starts_with("aws_"));
        if clock || aws || IMPURE.iter().any(|impure| leads_to(path, impure)) {
            lines.push((named.line, path.join("::")));
        }
    }
    for token in source.tokens() {
        if IMPURE_WORDS.contains(&token.text.as_str()) {
            lines.push((token.line, token.text.clone()));
        }
    }
    lines.sort();
    lines.dedup_by_key(|(line, _)| *line);
    lines
        .into_iter()
        .map(|(line, what)| source.fault(line, format!("{what}: src/domain knows no I/O, no clock and no async: let the caller do it and pass in what it found")))
        .collect()
}

/// Whether a path names what is impure, or all that is beside it.
fn leads_to(path: &[String], impure: &[&str]) -> bool {
    let all = path.last().is_some_and(|it| it == "*");
    let named = &path[..path.len() - usize::from(all)];
    let common = named.iter().zip(impure).all(|(a, b)| a == b);
    common && (named.len() >= impure.len() || (all && named.len() + 1 == impure.len()))
}

/// One adapter knows AWS's types; all else speaks of ECR in our own.
fn one_adapter(source: &Source) -> Vec<Fault> {
    if source.path.starts_with("src/ecr/") {
        return Vec::new();
    }
    source
        .tokens()
        .iter()
        .filter(|token| token.text == "aws_sdk_ecr")
        .map(|token| source.fault(token.line, "only src/ecr knows aws_sdk_ecr: use the port"))
        .collect()
}

#[test]
fn the_domain_is_pure() {
    check(&["src/domain"], purity);
}

#[test]
fn one_room_knows_aws() {
    check(&["src"], one_adapter);
}

#[test]
fn what_is_impure_is_found() {
    let impure = [
        "use std::fs;",
        "use std::{collections::BTreeMap, net::TcpStream};",
        "let a = std::env::var(\"A\");",
        "use std::time::Instant;",
        "use std::time::*;",
        "use std::time::{Duration, SystemTime};",
        "let now = Timestamp::now();",
        "use tokio::sync::Mutex;",
        "async fn f() {}",
        "f().await;",
        "use aws_sdk_ecr::types::Tag;",
        "use kube::{Api, Client};",
        "use kube::runtime::watcher;",
        "println!(\"a\");",
    ];
    for line in impure {
        expect(purity, "src/domain/a.rs", line, &[1]);
    }
    let pure = "use std::time::Duration;\nuse std::fmt;\nuse kube::core::Rule;\n// async\nlet a = now;\nuse kube::*;";
    expect(purity, "src/domain/a.rs", pure, &[6]);
}

#[test]
fn another_adapter_is_found() {
    let text = "use kube::Api;\nuse aws_sdk_ecr::Client;";
    expect(one_adapter, "src/controller/mod.rs", text, &[2]);
    expect(one_adapter, "src/ecr/aws.rs", text, &[]);
}
