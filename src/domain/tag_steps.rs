//! The steps by which tags come to match. They go by key: ours are written, what was ours and is no
//! longer named goes, the rest stays.

use std::collections::BTreeSet;

use super::{
    action::Action,
    desired::{Desired, is_reserved},
    observed::{Observed, Tags},
    plan::Step,
};

/// ECR takes so many tags a resource, at any moment (Amazon ECR User Guide, "Tagging a private
/// repository").
const ROOM: usize = 50;

/// The tags that are to be there: all that are named, or, where those are refused, what the class
/// enforces.
pub(super) fn named(desired: &Desired) -> &Tags {
    desired.tags.as_ref().unwrap_or(&desired.enforced_tags)
}

/// What is removed, then what is written: what goes makes room first. Where there is not room for all,
/// the operator's own and what the class enforces come before what the object names.
pub(super) fn tags(
    desired: &Desired,
    observed: &Observed,
    stamps: &Tags,
    ours: &BTreeSet<String>,
) -> Vec<Step> {
    let held = &observed.tags;
    let lacks = |(key, value): &(&String, &String)| held.get(*key) != Some(*value);
    let mut first = stamps.clone();
    first.extend(desired.enforced_tags.iter().filter(lacks).map(owned));
    let mut then: Tags = named(desired).iter().filter(lacks).map(owned).collect();
    then.retain(|key, _| !first.contains_key(key));
    let mut remove = match &desired.tags {
        Ok(wanted) => no_longer_named(wanted, held, ours),
        Err(_) => BTreeSet::new(),
    };
    let new = |tags: &Tags| tags.keys().filter(|key| !held.contains_key(*key)).count();
    let left = held.len() - remove.len();
    remove.extend(yielding(
        desired,
        held,
        ours,
        &remove,
        (left + new(&first)).saturating_sub(ROOM),
    ));
    let left = held.len() - remove.len();
    if first.is_empty() || left + new(&first) + new(&then) <= ROOM {
        first.append(&mut then);
    }
    let untag = (!remove.is_empty()).then(|| {
        let before = said(remove.iter().filter_map(|key| held.get_key_value(key)));
        Step::new(Action::UntagResource(remove), before)
    });
    let tag = [first, then].into_iter().filter(|it| !it.is_empty());
    untag
        .into_iter()
        .chain(tag.map(|it| tag_step(it, held)))
        .collect()
}

fn no_longer_named(wanted: &Tags, held: &Tags, ours: &BTreeSet<String>) -> BTreeSet<String> {
    let gone =
        |key: &&String| !wanted.contains_key(*key) && held.contains_key(*key) && !is_reserved(key);
    ours.iter().filter(gone).cloned().collect()
}

/// So many tags of the object's own that make room for those that come first.
fn yielding(
    desired: &Desired,
    held: &Tags,
    ours: &BTreeSet<String>,
    gone: &BTreeSet<String>,
    many: usize,
) -> BTreeSet<String> {
    let own = |key: &&String| {
        held.contains_key(*key)
            && !gone.contains(*key)
            && !desired.enforced_tags.contains_key(*key)
            && !is_reserved(key)
    };
    let candidates: BTreeSet<&String> = ours.union(&desired.own_tag_keys).filter(own).collect();
    candidates.into_iter().rev().take(many).cloned().collect()
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// One write of tags.
pub(super) fn tag_step(write: Tags, held: &Tags) -> Step {
    let before = said(write.keys().filter_map(|key| held.get_key_value(key)));
    Step::new(Action::TagResource(write), before)
}

fn said<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    tags.map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(", ")
}
