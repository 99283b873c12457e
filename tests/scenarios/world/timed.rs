//! What was permitted when: every write to ECR, and every object that was let go, against what the API
//! server had accepted and what the repository's tags said at that time. The numbers are those of
//! ARCHITECTURE.md.

use std::{collections::BTreeSet, sync::Arc};

use ecr_emulator::Call;
use ecr_operator::api::{CLUSTER_UID_TAG, OWNER_TAG};
use serde_json::json;

use super::{
    audit::Entry,
    history::{History, State, Wish},
    invariants::{addressed, is_write, owner},
    told,
};

/// How old a proof may be when the call that it permits is sent.
pub(crate) const PROOF: f64 = 2.0;
/// How long a busy machine may take until a call has arrived.
pub(crate) const TOLERANCE: f64 = 1.0;

/// See the module's documentation.
pub(super) struct Timed<'a> {
    history: History,
    entries: &'a [Arc<Entry>],
    calls: &'a [Call],
    /// The names that the cluster goes by, and went by before.
    clusters: BTreeSet<&'a str>,
}

impl<'a> Timed<'a> {
    pub(super) fn new(
        entries: &'a [Arc<Entry>],
        calls: &'a [Call],
        clusters: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            history: History::of(entries),
            entries,
            calls,
            clusters: clusters.into_iter().collect(),
        }
    }

    /// 1, 2, 3, 8 and 10: all that was not permitted.
    pub(super) fn broken(&self) -> Vec<String> {
        let writes = self.calls.iter().enumerate();
        let writes = writes.filter(|(_, call)| is_write(call));
        let of_calls = writes.filter_map(|(index, call)| {
            let reasons = [self.unproved(index, call), self.refusal(index, call)];
            let reasons: Vec<_> = reasons.into_iter().flatten().collect();
            (!reasons.is_empty()).then(|| self.told(&reasons, call))
        });
        let objects = self.history.repositories();
        let of_objects = objects.flat_map(|(key, states)| self.let_go(key, states));
        of_calls.chain(of_objects).collect()
    }

    fn told(&self, reasons: &[&str], call: &Call) -> String {
        let key = asks(call).or_else(|| owner(call)).and_then(parsed);
        let near = key.map(|(_, key)| self.near(key, call)).unwrap_or_default();
        format!(
            "{reasons:?}: {} arrived at {:.3}, owner {:?}; what its object asked for: {near:#?}",
            told(call),
            call.arrived,
            owner(call)
        )
    }

    /// What was not proved shortly before a write.
    fn unproved(&self, index: usize, call: &Call) -> Option<&'static str> {
        let creates = call.operation == "CreateRepository";
        if creates || call.operation == "DeleteRepository" {
            let key = if creates { asks(call) } else { owner(call) };
            let told = key.and_then(parsed).is_some_and(|(_, key)| {
                let mut reads = self
                    .entries
                    .iter()
                    .filter(|it| it.tells_the_operator_of(key));
                reads.any(|it| it.completed() >= since(call) && it.received() <= call.arrived)
            });
            if !told && (creates || call.existed_before) {
                return Some("3: created or deleted without a fresh look at the object");
            }
        }
        let proved = creates || !call.existed_before || self.proofs(index, call).next().is_some();
        (!proved).then_some("1: written without a fresh proof of the owner")
    }

    /// Why a write was not permitted, if it was not.
    fn refusal(&self, index: usize, call: &Call) -> Option<&'static str> {
        if call.operation == "CreateRepository" {
            // Also one that makes nothing, because it is there already, was to.
            return self.refusal_of_creation(call);
        }
        if !call.existed_before {
            return None;
        }
        let before = owner(call).and_then(parsed);
        let ours = before.filter(|(cluster, _)| self.clusters.contains(cluster));
        let asked = asks(call).and_then(parsed).map(|(_, key)| key);
        match (ours, asked) {
            (Some((_, key)), Some(asked)) if key != asked => self.refusal_of_adoption(index, call),
            (Some((_, key)), _) => self.refusal_of_owner(key, call),
            (None, Some(_)) => self.refusal_of_adoption(index, call),
            (None, None) => Some("1: written to what is not ours"),
        }
    }

    /// 3: only for an object that is there, stays, and may be acted for.
    fn refusal_of_creation(&self, call: &Call) -> Option<&'static str> {
        let Some((_, key)) = asks(call).and_then(parsed) else {
            return Some("3: created for nobody");
        };
        let wished = self.wished(key, call, |it| !it.is_ending() && it.is_enforced());
        (!wished).then_some("3: created for no object that still asks for it")
    }

    /// 1 and 10: an owner's tag is written only where there is none, a dead one, or the one that is named; or
    /// was, when the tags were read just before.
    fn refusal_of_adoption(&self, index: usize, call: &Call) -> Option<&'static str> {
        let Some((_, key)) = asks(call).and_then(parsed) else {
            return Some("1: adopted for nobody");
        };
        let reads = self.proofs(index, call).filter(|it| it.existed_before);
        let owners: Vec<_> = reads.chain([call]).map(owner).collect();
        let wished = self.wished(key, call, |it| {
            let permits = |owner: Option<&str>| match owner {
                None => it.adopts_unowned(),
                Some(old) => it.takes_from(old) || (it.adopts_unowned() && self.is_dead(old, call)),
            };
            owners.iter().copied().any(permits) && !it.is_ending() && it.is_enforced()
        });
        if !wished {
            return Some("10: adopted unasked, or over another owner's tag");
        }
        let again = owner(call).is_some_and(|old| self.took_over(index, call, (key, old)));
        again.then_some("10: taken over once more by what was carried out before")
    }

    /// Whether an object took the same from the same owner before, said that all was well, and has asked for
    /// nothing else since.
    fn took_over(&self, index: usize, call: &Call, (key, old): ([&str; 2], &str)) -> bool {
        let is_one = |it: &&Call| {
            let done = it.operation == "TagResource" && it.applied && it.answer.is_ok();
            let by = asks(it).and_then(parsed).map(|(_, by)| by);
            done && by == Some(key)
                && owner(it) == Some(old)
                && (&it.account, &it.region) == (&call.account, &call.region)
                && addressed(it) == addressed(call)
        };
        let mut before = self.calls[..index].iter().rev();
        let last = before.find(is_one);
        last.is_some_and(|last| {
            self.history
                .kept_what_it_took(key, old, (last.answered, call.arrived))
        })
    }

    /// 1 and 2: what is ours is written to as its object asks.
    fn refusal_of_owner(&self, key: [&str; 2], call: &Call) -> Option<&'static str> {
        if call.operation == "DeleteRepository" {
            let force = call.input["force"] == json!(true);
            let wished = self.wished(key, call, |it| {
                let permits = match it.deletion() {
                    "DeleteWithImages" => true,
                    "Delete" => !force,
                    _ => false,
                };
                permits && it.is_ending() && it.is_enforced()
            });
            return (!wished).then_some("2: no object asks for this deletion any more");
        }
        // Our own tags are written also on the way to a deletion, and what the class enforces while that waits, or
        // while the object holds the operator off against its class.
        let stamps = call.operation == "TagResource" && is_stamp(call);
        let wished = self.wished(key, call, |it| {
            let asked = (stamps || !it.is_ending()) && it.is_enforced();
            asked || it.enforces(call) && (it.is_enforced() || it.holds_off_in_vain())
        });
        (!wished).then_some("1: written for no object that still asks for it")
    }

    /// Whether anything that was asked for lately permits a call.
    fn wished(&self, key: [&str; 2], call: &Call, permits: impl Fn(&Wish<'_>) -> bool) -> bool {
        let wishes = self.history.wishes(key, since(call), call.arrived);
        wishes.iter().any(permits)
    }

    /// What was asked for about the time of a call, for a person.
    fn near(&self, key: [&str; 2], call: &Call) -> Vec<String> {
        let states = self.history.between(key, call.arrived - 60.0, call.arrived);
        let all = states.map(|it| {
            let wishes = self.history.wishes(key, it.from, it.from);
            let told: Vec<_> = wishes.iter().map(|it| it.told().to_string()).collect();
            format!("from {:.3} until {:.3}: {told:?}", it.from, it.until)
        });
        all.collect()
    }

    /// Whether the owner that a tag names is an object of our own that may be gone.
    fn is_dead(&self, tag: &str, call: &Call) -> bool {
        parsed(tag).is_some_and(|(cluster, key)| {
            let gone = self.history.may_be_gone(key, since(call), call.arrived);
            self.clusters.contains(cluster) && gone
        })
    }

    /// What proved shortly before whose the repository is: a look at its tags, or its creation.
    fn proofs(&self, index: usize, call: &Call) -> impl Iterator<Item = &Call> {
        let before = self.calls[..index].iter().rev();
        let fresh = before.take_while(move |it| it.answered >= since(call));
        fresh.filter(move |it| {
            let proves = match it.operation.as_str() {
                "ListTagsForResource" => true,
                // However late it was answered.
                "CreateRepository" => it.arrived >= since(call),
                _ => false,
            };
            proves
                && it.answer.is_ok()
                && (&it.account, &it.region) == (&call.account, &call.region)
                && addressed(it) == addressed(call)
        })
    }

    /// 8: an object that the operator let go had nothing left to be done for it.
    fn let_go(&self, key: [&str; 2], states: &[State]) -> Vec<String> {
        let broken = states.windows(2).filter_map(|pair| {
            let [last, gone] = pair else {
                return None;
            };
            let object = last.object.as_ref()?;
            let ended = gone.object.is_none() && gone.by_operator;
            let bound = object["status"]["repositoryName"].as_str();
            let unfinished = bound.is_some_and(|name| !self.is_done(key, name, gone.from));
            (ended && unfinished).then(|| {
                format!(
                    "8: {key:?} was let go at {:.3}, and what it asked for was not done: {:?}",
                    gone.from, object["spec"]
                )
            })
        });
        broken.collect()
    }

    /// Whether nothing was left to do for an object that is let go: it asks for nothing, or what it had is
    /// gone or not its own.
    fn is_done(&self, key: [&str; 2], name: &str, at: f64) -> bool {
        let wishes = self.history.wishes(key, at - PROOF - TOLERANCE, at);
        let retained = wishes
            .iter()
            .any(|it| !it.is_enforced() || it.deletion() == "Retain");
        let is_ours = |call: &Call| {
            let owner = owner(call).and_then(parsed);
            owner.is_some_and(|(cluster, it)| it == key && self.clusters.contains(cluster))
        };
        // What comes later may be about the next object of this name.
        let mut seen = self
            .calls
            .iter()
            .rev()
            .filter(|call| call.answered <= at && addressed(call).as_deref() == Some(name));
        retained
            || seen.next().is_some_and(|it| {
                let deleted = it.operation == "DeleteRepository" && it.applied;
                deleted || !it.existed_before || !is_ours(it)
            })
    }
}

/// Since when an object may have asked for a call.
fn since(call: &Call) -> f64 {
    call.arrived - PROOF - TOLERANCE
}

/// The owner that a call is to write.
fn asks(call: &Call) -> Option<&str> {
    tags(call).find_map(|(key, value)| (key == OWNER_TAG).then_some(value))
}

/// Whether a call writes no tag but our own.
fn is_stamp(call: &Call) -> bool {
    tags(call).all(|(key, _)| [OWNER_TAG, CLUSTER_UID_TAG].contains(&key))
}

fn tags(call: &Call) -> impl Iterator<Item = (&str, &str)> {
    let tags = call.input["tags"].as_array().into_iter().flatten();
    tags.filter_map(|tag| Some((tag["Key"].as_str()?, tag["Value"].as_str()?)))
}

/// Cluster, and namespace and name, of an owner's tag.
fn parsed(tag: &str) -> Option<(&str, [&str; 2])> {
    let mut parts = tag.split('/');
    let parsed = (parts.next()?, [parts.next()?, parts.next()?]);
    parts.next().is_none().then_some(parsed)
}
