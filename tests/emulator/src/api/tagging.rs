//! `GetResources` of the Resource Groups Tagging API, which tells the tags of many repositories at
//! once, and later than ECR does.
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Value, json};

use super::{Registries, list as items, text};
use crate::caller::Caller;
use crate::error::Error;
use crate::paging::Page;
use crate::settings::Settings;
use crate::shape::{self, Member, Shape, optional};
use crate::state::repository_arn;

const GET: &[Member] = &[
    optional("PaginationToken", Shape::text(0, 2048)),
    optional(
        "TagFilters",
        Shape::list(
            &Shape::Structure(&[
                optional("Key", Shape::text(1, 128)),
                optional("Values", Shape::list(&Shape::text(0, 256), 0, 20)),
            ]),
            0,
            50,
        ),
    ),
    optional("ResourcesPerPage", Shape::Integer { min: 1, max: 100 }),
    optional("TagsPerPage", Shape::Integer { min: 100, max: 500 }),
    optional(
        "ResourceTypeFilters",
        Shape::list(&Shape::text(0, 256), 0, 100),
    ),
    optional(
        "ResourceARNList",
        Shape::list(&Shape::text(1, 1011), 1, 100),
    ),
];

type Tags = BTreeMap<String, String>;
type Versions = Vec<(f64, Option<Tags>)>;

/// The tags that repositories have had, each since a time; none: it was not there.
#[derive(Debug, Default)]
pub(crate) struct TagIndex(BTreeMap<(String, String), BTreeMap<String, Versions>>);

impl TagIndex {
    /// Takes down the tags of a repository. One that never had any is no resource of this API.
    pub(crate) fn note(
        &mut self,
        place: &(String, String),
        name: &str,
        tags: Option<&Tags>,
        (now, settings): (f64, &Settings),
    ) {
        let known = self.0.get(place).and_then(|names| names.get(name));
        let last = known.and_then(|versions| versions.last());
        let last = last.and_then(|(_, tags)| tags.as_ref());
        if last == tags || (known.is_none() && tags.is_none_or(BTreeMap::is_empty)) {
            return;
        }
        let names = self.0.entry(place.clone()).or_default();
        let versions = names.entry(name.to_owned()).or_default();
        versions.push((now, tags.cloned()));
        // What nobody can see any more goes.
        let seen = now - settings.tagging_lag();
        let old = versions.iter().filter(|(since, _)| *since <= seen).count();
        versions.drain(..old.saturating_sub(1));
        if matches!(versions.as_slice(), [(since, None)] if *since <= seen) {
            names.remove(name);
        }
    }

    /// Takes down what came about without a call: replicas, and what a template made.
    fn catch_up(&mut self, place: &(String, String), all: &Registries, at: (f64, &Settings)) {
        let Some(registry) = all.get(place) else {
            return;
        };
        for (name, repository) in &registry.repositories {
            self.note(place, name, Some(&repository.tags), at);
        }
        let known = self.0.get(place).into_iter().flat_map(BTreeMap::keys);
        let gone = known.filter(|name| !registry.repositories.contains_key(*name));
        for name in gone.cloned().collect::<Vec<String>>() {
            self.note(place, &name, None, at);
        }
    }
}

/// Answers a call of the API.
pub(crate) fn call(
    index: &mut TagIndex,
    registries: &Registries,
    (caller, operation, input): (&Caller, &str, &Value),
    at: (f64, &Settings),
) -> Result<Value, Error> {
    if operation != "GetResources" {
        return Err(Error::unknown_operation());
    }
    shape::check(GET, input)?;
    check_together(input)?;
    let place = (caller.account.clone(), caller.region.clone());
    if text(input, "PaginationToken").is_empty() {
        index.catch_up(&place, registries, at);
    }
    let page = page(input, &place)?;
    let seen = at.0 - at.1.tagging_lag();
    let empty = BTreeMap::new();
    let resources = index
        .0
        .get(&place)
        .unwrap_or(&empty)
        .range::<str, _>((page.start(), Bound::Unbounded))
        .filter_map(|(name, versions)| {
            let visible = versions.iter().rev().find(|(since, _)| *since <= seen);
            Some((name, visible?.1.as_ref()?))
        })
        .map(|(name, tags)| (name, repository_arn(&place.0, &place.1, name), tags))
        .filter(|(_, arn, tags)| is_asked_for(input, arn, tags));
    let (found, token) = page.take(resources.map(|(name, arn, tags)| (name, to_json(&arn, tags))));
    Ok(json!({
        "PaginationToken": token.unwrap_or_default(),
        "ResourceTagMappingList": found,
    }))
}

/// What the documentation of the members says cannot be combined.
fn check_together(input: &Value) -> Result<(), Error> {
    let given = |name: &str| input.get(name).is_some_and(|value| !value.is_null());
    let others = ["TagFilters", "ResourceTypeFilters", "ResourcesPerPage"];
    match others.into_iter().find(|other| given(other)) {
        Some(other) if given("ResourceARNList") => Err(Error::new(
            "InvalidParameterException",
            format!("You can't specify both ResourceARNList and {other} in the same request"),
        )),
        _ => Ok(()),
    }
}

/// AWS does not say how long a page is by default; here it is as long as it may be.
fn page(input: &Value, place: &(String, String)) -> Result<Page, Error> {
    let token = text(input, "PaginationToken");
    let token = (!token.is_empty()).then_some(token);
    let size = input.get("ResourcesPerPage").and_then(Value::as_u64);
    let asked = json!({ "nextToken": token, "maxResults": size });
    let (filters, kinds) = (input.get("TagFilters"), input.get("ResourceTypeFilters"));
    Page::read(
        &asked,
        format!("GetResources {place:?} {filters:?} {kinds:?}"),
    )
    .map_err(|_| {
        Error::new(
            "PaginationTokenExpiredException",
            "The pagination token is expired or invalid",
        )
    })
}

/// Whether a repository passes the filters: all keys, and of each any value.
fn is_asked_for(input: &Value, arn: &str, tags: &Tags) -> bool {
    let kinds = items(input, "ResourceTypeFilters");
    let arns = items(input, "ResourceARNList");
    (kinds.is_empty()
        || kinds
            .iter()
            .any(|kind| kind == "ecr" || kind == "ecr:repository"))
        && (arns.is_empty() || arns.iter().any(|wanted| wanted == arn))
        && items(input, "TagFilters").iter().all(|filter| {
            let values = items(filter, "Values");
            tags.get(text(filter, "Key")).is_some_and(|value| {
                values.is_empty() || values.iter().any(|wanted| wanted == value)
            })
        })
}

fn to_json(arn: &str, tags: &Tags) -> Value {
    let tags = tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }));
    json!({ "ResourceARN": arn, "Tags": tags.collect::<Vec<Value>>() })
}
