//! Every version of every object that the API server told of, in order.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ecr_operator::api::{ECRRepository, ECRRepositorySpec};
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt as _,
    api::PostParams,
    core::DeserializeGuard,
    runtime::watcher::{self, Event},
};
use tokio::{sync::oneshot, task::AbortHandle};

/// The object by which the recorder knows that it has caught up.
const SENTINEL: &str = "the-end";

/// Watches a namespace.
pub(crate) struct Recorder {
    versions: Arc<Mutex<Vec<ECRRepository>>>,
    watch: AbortHandle,
}

impl Recorder {
    pub(crate) async fn start(client: Client, namespace: &str) -> Self {
        let versions: Arc<Mutex<Vec<ECRRepository>>> = Arc::default();
        let (began, begins) = oneshot::channel();
        let mut began = Some(began);
        let mut watch = watcher::watcher(
            Api::<DeserializeGuard<ECRRepository>>::namespaced(client, namespace),
            watcher::Config::default(),
        )
        .boxed();
        let told = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            while let Some(event) = watch.next().await {
                match event {
                    Ok(Event::Apply(object) | Event::Delete(object) | Event::InitApply(object)) => {
                        // What nobody can read is none of the operator's either.
                        told.lock().unwrap().extend(object.0.ok());
                    }
                    Ok(Event::InitDone) => {
                        began.take().map(|began| began.send(()));
                    }
                    Ok(Event::Init) | Err(_) => {}
                }
            }
        });
        begins.await.unwrap();
        Self {
            versions,
            watch: task.abort_handle(),
        }
    }

    /// What was told so far, but for the sentinels.
    pub(crate) fn versions(&self) -> Vec<ECRRepository> {
        let mut versions = self.versions.lock().unwrap().clone();
        versions.retain(|version| version.name_any() != SENTINEL);
        versions
    }

    /// Waits until all has been told that happened until now: watches tell in order, so a last
    /// object of our own comes after everything else.
    pub(crate) async fn catch_up(&self, client: Client, namespace: &str) {
        let api = Api::namespaced(client, namespace);
        let sentinel = ECRRepository::new(SENTINEL, ECRRepositorySpec::default());
        if api.create(&PostParams::default(), &sentinel).await.is_err() {
            // A namespace that is going takes nothing new, and its controller waits longer than any
            // watch before the last object goes.
            return;
        }
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while !self.has_told(SENTINEL) {
            ticks.tick().await;
        }
    }

    fn has_told(&self, name: &str) -> bool {
        let versions = self.versions.lock().unwrap();
        versions.iter().any(|it| it.name_any() == name)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
