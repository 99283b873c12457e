//! What ECR does behind its answers, when its time has come: copies to other registries, and the ends
//! of what takes a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{backfill, creation, kms, policy_grammar, push, scans};
use crate::events::{Action, News};
use crate::settings::Settings;
use crate::state::{Image, Registry};

/// An account and a region.
pub(crate) type Place = (String, String);

/// The registries of all accounts and regions.
pub(crate) type Registries = BTreeMap<Place, Registry>;

/// Something to do at a time.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// In seconds since 1970.
    pub(crate) due: f64,
    pub(crate) work: Work,
}

/// What there is to do.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Copies an image with a tag (possibly empty) and notes the outcome at the original.
    Copy {
        from: Place,
        to: Place,
        repository: String,
        digest: String,
        tag: String,
    },
    /// Removes a tag, or the whole image.
    Remove {
        to: Place,
        repository: String,
        digest: String,
        tag: Option<String>,
    },
    /// Copies all that a backfill is for.
    Backfill { at: Place, id: String },
    /// Tells of the end of a scan, if the image is there still.
    Scan {
        at: Place,
        repository: String,
        digest: String,
    },
    /// Tells that an image is available again, by the tag that was given.
    Restore {
        at: Place,
        repository: String,
        digest: String,
        tag: String,
    },
}

/// Does what is due, each at its time and in the order in which it was begun.
pub(crate) fn run(
    registries: &mut Registries,
    jobs: &mut Vec<Job>,
    (settings, news): (&Settings, &mut Vec<News>),
    now: f64,
) {
    if jobs.iter().all(|job| job.due > now) {
        return;
    }
    let (mut due, later): (Vec<Job>, Vec<Job>) = std::mem::take(jobs)
        .into_iter()
        .partition(|job| job.due <= now);
    *jobs = later;
    due.sort_by(|one, other| one.due.total_cmp(&other.due));
    for job in due {
        let mut copier = Copier {
            registries,
            settings,
            news,
            now: job.due,
        };
        copier.work(job.work);
    }
}

/// Copies images from one registry to another.
pub(super) struct Copier<'a> {
    pub(super) registries: &'a mut Registries,
    settings: &'a Settings,
    news: &'a mut Vec<News>,
    pub(super) now: f64,
}

impl Copier<'_> {
    fn work(&mut self, work: Work) {
        match work {
            Work::Copy {
                from,
                to,
                repository,
                digest,
                tag,
            } => {
                let outcome = self.replicate(&from, &to, &repository, &digest, &tag);
                self.note(&from, &to, &repository, &digest, outcome.err());
            }
            Work::Remove {
                to,
                repository,
                digest,
                tag,
            } => self.remove(&to, &repository, &digest, tag.as_deref()),
            Work::Backfill { at, id } => backfill::run(self, &at, &id),
            Work::Scan {
                at,
                repository,
                digest,
            } => self.tell_of_scan(&at, &repository, &digest),
            Work::Restore {
                at,
                repository,
                digest,
                tag,
            } => self.tell_of_restore(&at, &repository, &digest, &tag),
        }
    }

    fn tell_of_scan(&mut self, at: &Place, name: &str, digest: &str) {
        if let Some(image) = self.image(at, name, digest) {
            let counts = scans::severities(scans::found_in(&self.settings.findings, image));
            let news = News::scan((at, self.now), name, image, counts);
            self.news.push(news);
        }
    }

    fn tell_of_restore(&mut self, at: &Place, name: &str, digest: &str, tag: &str) {
        if let Some(image) = self.image(at, name, digest) {
            let news = News::image((at, self.now), name, (Action::Restore, tag), image);
            self.news.push(news);
        }
    }

    /// Copies an image and tells the destination of it. The images of a list come with it and are
    /// not told of: they have been pushed before it, and were replicated then.
    pub(super) fn replicate(
        &mut self,
        from: &Place,
        to: &Place,
        name: &str,
        digest: &str,
        tag: &str,
    ) -> Result<(), &'static str> {
        let outcome = self.copy(from, to, name, digest, tag);
        let at = (to, self.now);
        let news = News::replication(at, from, name, (digest, tag), outcome.is_err());
        self.news.push(news);
        outcome
    }

    /// Copies an image, and before it what it is a list of. AWS does not publish its failure codes;
    /// ours are the names of the exceptions that a push would meet.
    fn copy(
        &mut self,
        from: &Place,
        to: &Place,
        name: &str,
        digest: &str,
        tag: &str,
    ) -> Result<(), &'static str> {
        let image = self.image(from, name, digest).cloned();
        let image = image.ok_or("ImageNotFoundException")?;
        for child in &image.children {
            self.copy(from, to, name, child, "")?;
        }
        let source = self.registries.get(from);
        let layers = source
            .and_then(|registry| registry.repositories.get(name))
            .map(|repository| layers_of(&image, &repository.layers))
            .unwrap_or_default();
        self.receive(from, to, name, image, layers, tag)
    }

    fn image(&self, place: &Place, name: &str, digest: &str) -> Option<&Image> {
        let registry = self.registries.get(place)?;
        registry.repositories.get(name)?.images.get(digest)
    }

    /// A tag that the destination has and may not move stays where it is: the image arrives without.
    fn receive(
        &mut self,
        from: &Place,
        to: &Place,
        name: &str,
        image: Image,
        layers: Vec<(String, Arc<[u8]>)>,
        tag: &str,
    ) -> Result<(), &'static str> {
        let registry = self.registries.entry(to.clone()).or_default();
        let exists = registry.repositories.contains_key(name);
        if from.0 != to.0 {
            let permitted = registry
                .config
                .policy
                .as_deref()
                .and_then(|text| policy_grammar::parse_for_registry(text, &to.1))
                .is_some_and(|policy| {
                    policy.allows(&from.0, "ecr:ReplicateImage")
                        && (exists || policy.allows(&from.0, "ecr:CreateRepository"))
                });
            permitted.then_some(()).ok_or("AccessDeniedException")?;
        }
        if !exists {
            let ground = (registry, self.settings, &mut *self.news);
            if !creation::create_in(ground, to, (name, "REPLICATION"), self.now) {
                return Err("LimitExceededException");
            }
        }
        let registry = self.registries.entry(to.clone()).or_default();
        let Some(repository) = registry.repositories.get_mut(name) else {
            return Err("RepositoryNotFoundException");
        };
        kms::check(self.settings, repository.kms_key.as_deref()).map_err(|_| "KmsException")?;
        repository.layers.extend(layers);
        let taken = repository
            .image_tagged(tag)
            .is_some_and(|other| other.digest != image.digest);
        let tag = if taken && push::is_immutable(repository, tag) {
            ""
        } else {
            tag
        };
        push::store(repository, arrived(image, self.now), tag);
        Ok(())
    }

    fn note(
        &mut self,
        from: &Place,
        to: &Place,
        name: &str,
        digest: &str,
        failure: Option<&'static str>,
    ) {
        let image = self
            .registries
            .get_mut(from)
            .and_then(|registry| registry.repositories.get_mut(name))
            .and_then(|repository| repository.images.get_mut(digest));
        let replications = image.map(|image| image.replications.iter_mut());
        for replication in replications.into_iter().flatten() {
            if replication.place() == *to {
                replication.done = true;
                replication.failure = failure.map(str::to_owned);
            }
        }
    }

    /// What goes at a destination is deleted there, and told as a deletion.
    fn remove(&mut self, to: &Place, name: &str, digest: &str, tag: Option<&str>) {
        let Some(repository) = self
            .registries
            .get_mut(to)
            .and_then(|registry| registry.repositories.get_mut(name))
        else {
            return;
        };
        let Some(image) = repository.images.get_mut(digest) else {
            return;
        };
        let gone = match tag {
            Some(tag) if !image.tags.iter().any(|own| own == tag) => return,
            Some(tag) => vec![tag.to_owned()],
            None if image.tags.is_empty() => vec![String::new()],
            None => image.tags.clone(),
        };
        for tag in &gone {
            let news = News::image((to, self.now), name, (Action::Delete, tag), image);
            self.news.push(news);
        }
        image.tags.retain(|own| !gone.contains(own));
        if tag.is_none() {
            repository.images.remove(digest);
        }
    }
}

/// The layers of an image that its repository holds.
fn layers_of(image: &Image, held: &BTreeMap<String, Arc<[u8]>>) -> Vec<(String, Arc<[u8]>)> {
    let manifest = super::manifest::read(&image.manifest, &image.media_type);
    let digests = manifest.map(|manifest| manifest.layers).unwrap_or_default();
    digests
        .into_iter()
        .filter_map(|digest| Some((digest.clone(), Arc::clone(held.get(&digest)?))))
        .collect()
}

/// An image as it arrives: what happened to the original did not happen to it.
fn arrived(image: Image, now: f64) -> Image {
    Image {
        tags: Vec::new(),
        pushed_at: now,
        pulled_at: None,
        archived: false,
        archived_at: None,
        activated_at: None,
        scan: None,
        signings: Vec::new(),
        replications: Vec::new(),
        ..image
    }
}
