//! One sweep: the calls that list a registry for its snapshot.

use std::collections::BTreeSet;

use aws_sdk_ecr::types::Repository;
use aws_sdk_resourcegroupstagging::types::TagFilter;

use super::{
    aws::Aws,
    convert::{described, unreadable},
    port::Swept,
    snapshot::Sweep,
};
use crate::domain::{
    failure::{Class, Failure},
    identity::{Owner, Registry},
    observed::Tags,
};

/// The most that one page may hold (Amazon ECR API Reference, `DescribeRepositories`).
const REPOSITORIES_A_PAGE: i32 = 1000;

/// The most that one page may hold (Resource Groups Tagging API Reference, `GetResources`).
const TAGS_A_PAGE: i32 = 100;

/// The most pages of one list. A registry has 100,000 repositories, until AWS gives it more (Amazon ECR User Guide,
/// "Amazon ECR service quotas"): a thousand pages of tags.
const PAGES: u32 = 10_000;

/// The way through a list, page by page.
#[derive(Debug, Default)]
struct Pages {
    token: Option<String>,
    read: u32,
}

impl Pages {
    /// Goes on to the page of a token; false after the last one, which has none, or an empty one.
    ///
    /// # Errors
    /// Where the list has no end: it would be read for ever, and nobody told what was found.
    fn turn(&mut self, token: Option<&str>) -> Result<bool, Failure> {
        let token = token.filter(|token| !token.is_empty());
        self.read = self.read.saturating_add(1);
        if token.is_some() && (token == self.token.as_deref() || self.read >= PAGES) {
            return Err(unreadable(
                "a list without an end, whose pages lead to themselves",
            ));
        }
        self.token = token.map(ToOwned::to_owned);
        Ok(self.token.is_some())
    }
}

impl Aws {
    /// Sweeps a registry for the objects that are bound there to these names.
    pub(super) async fn sweep_registry(
        &self,
        registry: &Registry,
        bound: &BTreeSet<String>,
    ) -> Swept {
        self.metrics.sweeps(&registry.to_string());
        let mut sweep = self.snapshot.sweep(bound);
        match self.fill(registry, &mut sweep).await {
            Ok(listed) => {
                self.metrics.swept(&registry.to_string(), listed);
                Swept {
                    owned: sweep.owned(),
                    news: sweep.end(),
                    outcome: Ok(()),
                }
            }
            Err(failure) => {
                let news = self.snapshot.failed(&failure);
                if failure.class == Class::Denied {
                    // Each repository is looked at by itself then: nothing grows old.
                    self.metrics.no_longer_swept(&registry.to_string());
                    if !news.is_empty() {
                        tracing::warn!(
                            account = %registry.id, region = %registry.region, said = %failure.said,
                            "each repository is looked at by itself: allow ecr:DescribeRepositories on \
                             repository/* (deploy/iam), and one call lists a thousand"
                        );
                    }
                }
                Swept {
                    news,
                    owned: Vec::new(),
                    outcome: Err(failure),
                }
            }
        }
    }

    /// Makes the calls; tells how many repositories there are.
    async fn fill(&self, registry: &Registry, sweep: &mut Sweep<'_>) -> Result<usize, Failure> {
        let untagged = match self.tagged(registry, sweep).await {
            Ok(()) => None,
            Err(failure) => {
                let lasts = is_of_the_tagging_api(failure.class) && sweep.tags_fail_again();
                if failure.class != Class::Denied && !lasts {
                    return Err(failure);
                }
                sweep.without_tags();
                Some(failure)
            }
        };
        let mut listed = 0;
        self.each_repository(registry, |name, it| {
            listed += 1;
            sweep.listed(name, || described(it).ok());
        })
        .await?;
        // Where nothing at all is answered, it is not the tagging API.
        if let Some(failure) = untagged.filter(|_| sweep.lacks_tags_for_the_first_time()) {
            tracing::warn!(
                account = %registry.id, region = %registry.region, said = %failure.said,
                "the tags of each repository are read by themselves: allow tag:GetResources \
                 (deploy/iam) and open a way to the tagging API, in a VPC without one the endpoint \
                 `tagging`, and one call reads a hundred"
            );
        }
        Ok(listed)
    }

    /// `GetResources`, page by page: the tags of all that carry our tag. It may lag behind ECR.
    async fn tagged(&self, registry: &Registry, sweep: &mut Sweep<'_>) -> Result<(), Failure> {
        let prefix = registry.arn_prefix();
        let mut pages = Pages::default();
        loop {
            let call = self
                .tagging
                .get_resources()
                .resource_type_filters("ecr:repository")
                .tag_filters(TagFilter::builder().key(Owner::TAG).build())
                .resources_per_page(TAGS_A_PAGE)
                .set_pagination_token(pages.token.clone())
                .send();
            let page = self.call(registry, "GetResources", call).await?;
            // AWS sends an empty list where there is nothing: no list is another's answer.
            let found = page.resource_tag_mapping_list.as_deref();
            for found in found.ok_or_else(|| unreadable("no resourceTagMappingList"))? {
                let name = found
                    .resource_arn()
                    .and_then(|arn| arn.strip_prefix(&prefix));
                if let Some(name) = name {
                    let tags = found.tags().iter();
                    let tags: Tags = tags
                        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                        .collect();
                    sweep.tagged(name, tags);
                }
            }
            if !pages.turn(page.pagination_token())? {
                return Ok(());
            }
        }
    }

    /// `DescribeRepositories` of a whole registry, page by page.
    pub(super) async fn each_repository(
        &self,
        registry: &Registry,
        mut take: impl FnMut(&str, &Repository) + Send,
    ) -> Result<(), Failure> {
        let mut pages = Pages::default();
        loop {
            let call = self
                .ecr
                .describe_repositories()
                .registry_id(registry.id.as_str())
                .max_results(REPOSITORIES_A_PAGE)
                .set_next_token(pages.token.clone())
                .send();
            let page = self.call(registry, "DescribeRepositories", call).await?;
            let repositories = page.repositories.as_deref();
            for repository in repositories.ok_or_else(|| unreadable("no repositories"))? {
                if let Some(name) = repository.repository_name() {
                    take(name, repository);
                }
            }
            if !pages.turn(page.next_token())? {
                return Ok(());
            }
        }
    }
}

/// Whether a failure may be that of the tagging API alone, as it is where there is no way to it. Once may be a lost
/// answer, and to do without costs a call for each repository.
fn is_of_the_tagging_api(class: Class) -> bool {
    match class {
        Class::Unavailable | Class::Invalid | Class::Gone | Class::Limit | Class::Altered => true,
        // What is wrong is something else, is over soon, or is known for good.
        Class::Denied
        | Class::Throttled
        | Class::Unsettled
        | Class::Credentials
        | Class::WrongAccount
        | Class::PolicyRefused
        | Class::Kms
        | Class::Exists
        | Class::NotEmpty
        | Class::NotLeading => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pages are read of a list with these tokens.
    fn read(tokens: impl IntoIterator<Item = Option<String>>) -> Result<usize, Failure> {
        let mut pages = Pages::default();
        for (number, token) in tokens.into_iter().enumerate() {
            if !pages.turn(token.as_deref())? {
                return Ok(number + 1);
            }
        }
        panic!("the list went on");
    }

    #[test]
    fn a_list_ends_with_no_token_or_an_empty_one() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read([None]), Ok(1));
        assert_eq!(read([some("")]), Ok(1));
        assert_eq!(read([some("a"), some("b"), None]), Ok(3));
        let most = (1..10_000).map(|number| Some(number.to_string()));
        assert_eq!(read(most.chain([None])), Ok(10_000));
    }

    #[test]
    fn a_list_without_an_end_is_unreadable() {
        let some = |text: &str| Some(text.to_owned());
        let repeats = read([some("a"), some("b"), some("b")]);
        assert_eq!(repeats.unwrap_err().class, Class::Unavailable);
        let turns = (0..).map(|number: usize| Some((number % 2).to_string()));
        assert_eq!(read(turns).unwrap_err().class, Class::Unavailable);
    }
}
