//! That sweeps wake whom they concern, and nobody else.

use super::*;

/// Of the object that is bound to what is seen.
const UID: &str = "of the first";

fn described(scan_on_push: bool) -> Described {
    Described {
        uri: "uri".to_owned(),
        created_at: "2026-01-02T03:04:05Z".to_owned(),
        mutability: None,
        scan_on_push,
        encryption: None,
    }
}

fn tags(team: &str) -> Tags {
    [("team".to_owned(), team.to_owned())].into()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// A sweep that finds these repositories: name, whether it scans, its tag.
fn sweep(
    snapshot: &Snapshot,
    bound: &BTreeSet<String>,
    found: &[(&str, bool, &str)],
) -> BTreeSet<String> {
    let mut sweep = snapshot.sweep(bound);
    for (name, _, team) in found {
        sweep.tagged(name, tags(team));
    }
    for (name, scans, _) in found {
        sweep.listed(name, || Some(described(*scans)));
    }
    sweep.end()
}

fn seen(snapshot: &Snapshot, name: &str) -> Sight {
    match snapshot.glance(name, UID) {
        Glance::Seen(sight) => sight,
        other => panic!("{other:?}"),
    }
}

fn failure(class: Class) -> Failure {
    Failure {
        class,
        said: String::new(),
    }
}

#[test]
fn what_was_agreed_with_is_no_news_until_it_changes() {
    let (snapshot, bound) = (Snapshot::default(), names(["a"]));
    assert_eq!(snapshot.glance("a", UID), Glance::NotYet);
    assert_eq!(sweep(&snapshot, &bound, &[("a", true, "x")]), bound);
    let sight = seen(&snapshot, "a");
    assert_eq!(sight.described, described(true));
    assert_eq!(sight.tags, Some(tags("x")));
    snapshot.agree("a", UID, &sight);
    assert_eq!(snapshot.glance("a", UID), Glance::Unchanged);
    assert_eq!(sweep(&snapshot, &bound, &[("a", true, "x")]), names([]));
    assert_eq!(snapshot.glance("a", UID), Glance::Unchanged);
    for changed in [("a", false, "x"), ("a", true, "y")] {
        assert_eq!(sweep(&snapshot, &bound, &[changed]), bound, "{changed:?}");
        assert_ne!(seen(&snapshot, "a"), sight);
    }
    assert_eq!(sweep(&snapshot, &bound, &[("a", true, "x")]), names([]));
}

#[test]
fn what_one_agreed_with_tells_another_nothing() {
    let (snapshot, bound) = (Snapshot::default(), names(["a"]));
    let found = [("a", true, "x")];
    let _ = snapshot.glance("a", UID);
    sweep(&snapshot, &bound, &found);
    let sight = seen(&snapshot, "a");
    snapshot.agree("a", "of the second", &sight);
    for _ in 0..2 {
        assert_eq!(snapshot.glance("a", UID), Glance::Others);
        assert_eq!(snapshot.glance("a", "of the second"), Glance::Unchanged);
        assert_eq!(sweep(&snapshot, &bound, &found), names([]));
    }
    // What is another is for both to see.
    sweep(&snapshot, &bound, &[("a", true, "y")]);
    for uid in [UID, "of the second"] {
        assert!(
            matches!(snapshot.glance("a", uid), Glance::Seen(_)),
            "{uid}"
        );
    }
}

#[test]
fn what_is_doubted_is_news_again_though_it_is_the_same() {
    let (snapshot, bound) = (Snapshot::default(), names(["a"]));
    let found = [("a", true, "x")];
    let _ = snapshot.glance("a", UID);
    sweep(&snapshot, &bound, &found);
    let sight = seen(&snapshot, "a");
    snapshot.agree("a", UID, &sight);
    snapshot.doubt("a");
    assert_eq!(snapshot.glance("a", UID), Glance::NotYet);
    assert_eq!(sweep(&snapshot, &bound, &found), bound);
    assert_eq!(seen(&snapshot, "a"), sight);
}

#[test]
fn to_agree_with_what_was_seen_before_says_nothing_of_what_is_seen_now() {
    let (snapshot, bound) = (Snapshot::default(), names(["a"]));
    let _ = snapshot.glance("a", UID);
    sweep(&snapshot, &bound, &[("a", true, "x")]);
    let sight = seen(&snapshot, "a");
    sweep(&snapshot, &bound, &[("a", false, "x")]);
    snapshot.agree("a", UID, &sight);
    assert_eq!(seen(&snapshot, "a").described, described(false));
}

#[test]
fn what_is_not_listed_is_news_and_what_has_no_object_is_dropped() {
    let snapshot = Snapshot::default();
    let (both, one) = (names(["a", "b"]), names(["b"]));
    for name in &both {
        let _ = snapshot.glance(name, UID);
    }
    let found = [("b", true, "x"), ("foreign", true, "x")];
    assert_eq!(sweep(&snapshot, &both, &found), both);
    assert_eq!(snapshot.glance("a", UID), Glance::Unlisted);
    // Once may be the watch's lag.
    for kept in [2, 1] {
        sweep(&snapshot, &one, &found);
        assert_eq!(snapshot.with(|state| state.repositories.len()), kept);
        assert!(!snapshot.let_sweeper_go());
    }
    for _ in 0..2 {
        sweep(&snapshot, &names([]), &[]);
    }
    assert!(snapshot.let_sweeper_go());
}

#[test]
fn after_the_first_only_what_is_asked_for_is_kept() {
    let (snapshot, bound) = (Snapshot::default(), names(["a", "b"]));
    let found = [("a", true, "x"), ("b", true, "x")];
    assert_eq!(sweep(&snapshot, &bound, &found), names([]), "nobody waits");
    assert_eq!(seen(&snapshot, "a").tags, Some(tags("x")));
    let bound = names(["a", "b", "c"]);
    // Who asks while a sweep is under way is answered by the next one.
    let under_way = snapshot.sweep(&bound);
    assert_eq!(snapshot.glance("c", UID), Glance::NotYet);
    assert_eq!(under_way.end(), names(["a"]), "it listed nothing");
    assert_eq!(snapshot.glance("c", UID), Glance::NotYet);
    assert_eq!(
        sweep(&snapshot, &bound, &[("c", true, "x")]),
        names(["a", "c"])
    );
    assert_eq!(seen(&snapshot, "c").tags, Some(tags("x")));
}

#[test]
fn without_tags_nothing_is_ever_agreed_with() {
    let (snapshot, bound) = (Snapshot::default(), names(["a"]));
    let _ = snapshot.glance("a", UID);
    for is_news in [true, false] {
        let mut sweep = snapshot.sweep(&bound);
        sweep.without_tags();
        assert_eq!(sweep.lacks_tags_for_the_first_time(), is_news);
        sweep.listed("a", || Some(described(true)));
        assert_eq!(sweep.end(), bound);
        let sight = seen(&snapshot, "a");
        assert_eq!(sight.tags, None);
        snapshot.agree("a", UID, &sight);
    }
}

#[test]
fn a_failure_is_for_all_and_a_denial_is_told_once() {
    let snapshot = Snapshot::default();
    let bound = names(["a"]);
    let _ = snapshot.glance("a", UID);
    assert!(snapshot.is_untried());
    let down = failure(Class::Unavailable);
    for told in [bound.clone(), names([])] {
        assert_eq!(snapshot.failed(&down), told, "who waits for the first");
    }
    assert_eq!(snapshot.glance("a", UID), Glance::Failed(down));
    assert!(!snapshot.is_untried());
    for told in [bound.clone(), names([])] {
        assert_eq!(snapshot.failed(&failure(Class::Denied)), told);
        assert_eq!(snapshot.glance("a", UID), Glance::Denied);
    }
    assert_eq!(sweep(&snapshot, &bound, &[("a", true, "x")]), bound);
}

#[test]
fn one_sweeps() {
    let snapshot = Snapshot::default();
    assert!(snapshot.wants_sweeper());
    assert!(!snapshot.wants_sweeper());
    assert!(snapshot.let_sweeper_go(), "nobody asks");
    assert!(snapshot.wants_sweeper());
    let _ = snapshot.glance("a", UID);
    assert!(!snapshot.let_sweeper_go());
    snapshot.forget("a");
    assert!(snapshot.let_sweeper_go());
}

#[tokio::test]
async fn nobody_sweeps_what_is_retired() {
    let snapshot = Snapshot::default();
    snapshot.retire();
    snapshot.retired().await;
    assert!(!snapshot.wants_sweeper());
}
