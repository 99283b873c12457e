//! The services applied to the state, whoever calls and however.

use serde_json::Value;

use crate::api::{self, Context, sts};
use crate::caller::Caller;
use crate::error::Error;
use crate::events::{self, Occasion};
use crate::world::{Inner, addressed, guarded, without_blob};

impl Inner {
    pub(crate) fn apply_sts(
        &mut self,
        caller: &Caller,
        action: &str,
        input: &Value,
    ) -> Result<Value, Error> {
        self.serial += 1;
        let mut sts = sts::Sts {
            caller,
            now: self.clock.now(),
            serial: self.serial,
            settings: &self.settings,
            sessions: &mut self.sessions,
        };
        sts::call(&mut sts, action, input)
    }

    /// Applies an operation of ECR to what the caller sees of the registry.
    pub(crate) fn apply_lagging(
        &mut self,
        caller: &Caller,
        operation: &str,
        input: &Value,
    ) -> Result<Value, Error> {
        let place = (caller.account.clone(), caller.region.clone());
        let name = addressed(input).unwrap_or_default();
        let registry = self.registries.entry(place.clone()).or_default();
        let lags = operation == "DeleteRepository" && self.settings.delete_lag_calls > 0;
        let gone = lags
            .then(|| registry.repositories.get(name).cloned())
            .flatten();
        let veil = self.lags.draw(&place, registry, (operation, input));
        let answer = guarded(operation, || self.apply(caller, operation, input));
        veil.lift(self.registries.entry(place.clone()).or_default());
        if answer.is_ok() {
            self.lags
                .note(place, &self.settings, (operation, name), gone);
        }
        answer
    }

    /// Applies an operation of ECR.
    pub(crate) fn apply(
        &mut self,
        caller: &Caller,
        operation: &str,
        input: &Value,
    ) -> Result<Value, Error> {
        let operation = api::find(operation).ok_or_else(Error::unknown_operation)?;
        self.pass_time();
        self.serial += 1;
        let now = self.catch_up();
        let place = (caller.account.clone(), caller.region.clone());
        let mut context = Context {
            caller,
            now,
            registry: self.registries.entry(place).or_default(),
            settings: &mut self.settings,
            jobs: &mut self.jobs,
            news: &mut self.news,
            serial: self.serial,
        };
        let answer = operation.apply(&mut context, input);
        self.tell(caller, (operation.name, input), &answer);
        self.publish();
        if let (true, Some(name)) = (answer.is_ok(), addressed(input)) {
            self.note_tags(caller, name);
        }
        // What takes no time is done before anybody can look.
        self.do_jobs(now);
        answer
    }

    /// Does what is due behind the answers, and says what time it is.
    pub(crate) fn catch_up(&mut self) -> f64 {
        let now = self.clock.now();
        self.do_jobs(now);
        now
    }

    fn note_tags(&mut self, caller: &Caller, name: &str) {
        let place = (caller.account.clone(), caller.region.clone());
        let registry = self.registries.get(&place);
        let repository = registry.and_then(|registry| registry.repositories.get(name));
        let tags = repository.map(|repository| &repository.tags);
        let at = (self.clock.now(), &self.settings);
        self.tag_index.note(&place, name, tags, at);
    }

    /// Tells the queues of a call that writes.
    fn tell(
        &mut self,
        caller: &Caller,
        (operation, input): (&str, &Value),
        answer: &Result<Value, Error>,
    ) {
        if self.settings.queues.is_empty() || !events::is_write(operation) {
            return;
        }
        let occasion = Occasion {
            account: &caller.account,
            region: &caller.region,
            time: self.clock.now(),
            seed: format!("call {}", self.serial),
        };
        let shown = without_blob(input.clone());
        let event = occasion.of_call(caller, (operation, &shown), answer);
        self.queues.send(&event, occasion.time, &self.settings);
    }
}
