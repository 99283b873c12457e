//! What an object asks for since its last pass: by a change of its spec, by an annotation, by being deleted.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::{pass::Pass, watching::digest};
use crate::{
    api::{ConditionType, MAX_TOKEN, RECONCILE_ANNOTATION, RECONCILE_FLUX_ANNOTATION},
    domain::{conditions::find_true, status::fit},
    ecr::Clients,
};

impl<C: Clients> Pass<'_, C> {
    /// A change of the object or a request to reconcile now cuts every wait short.
    pub(super) fn note_request(&mut self) {
        // Flux takes away what `kubectl annotate` set: what was acted on is told all the same, and no annotation is
        // no request.
        let flux = self.token(RECONCILE_FLUX_ANNOTATION);
        let flux = flux.or_else(|| self.before.last_handled_reconcile_at.clone());
        let own = self.token(RECONCILE_ANNOTATION);
        let own = own.or_else(|| self.before.last_handled_request_at.clone());
        let deleting = self.object.metadata.deletion_timestamp.is_some();
        let version = digest((self.generation(), deleting));
        let request = digest((&flux, &own));
        self.is_first = self.memory.version.is_none();
        if self.memory.version != Some(version) {
            self.memory.begin_afresh();
        } else if self.memory.request != Some(request) {
            self.memory.hasten();
        }
        self.memory.version = Some(version);
        self.memory.request = Some(request);
        if self.is_first && self.before.observed_generation == Some(self.generation()) {
            let stalled = find_true(&self.before.conditions, ConditionType::Stalled);
            let stalled = stalled.map(|it| (it.reason.as_str(), it.message.as_str()));
            let attempts = &mut self.memory.attempts;
            attempts.inherit(&self.before.pending, stalled, Timestamp::now());
        }
        self.asked = flux != self.before.last_handled_reconcile_at
            || own != self.before.last_handled_request_at;
        self.status.last_handled_reconcile_at = flux;
        self.status.last_handled_request_at = own;
    }

    /// The value of an annotation, cut to what status can echo.
    fn token(&self, annotation: &str) -> Option<String> {
        let value = self.object.annotations().get(annotation)?;
        Some(fit(value, usize::try_from(MAX_TOKEN).unwrap_or(usize::MAX)))
    }
}
