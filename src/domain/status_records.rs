//! What status records, and forgets.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    identity::{Binding, Identity, Region, Registry, RegistryId, RepositoryName},
    observed::Described,
    status::{
        RELEASED, binding, forget_looked_at, record_applied, record_binding, record_looked_at,
        record_repository, released,
    },
};
use crate::api::{AppliedAspect, Aspect, ECRRepositoryStatus as Status, Ownership, TakenOver};

const LIFECYCLE: Aspect = Aspect::LifecyclePolicy;

fn place(name: &str) -> Identity {
    Identity {
        registry: Registry {
            id: RegistryId::parse("111122223333").unwrap(),
            region: Region::parse("ap-southeast-1").unwrap(),
        },
        name: RepositoryName::parse(name).unwrap(),
    }
}

fn described() -> Described {
    Described {
        uri: "the uri".to_owned(),
        created_at: "then".to_owned(),
        mutability: None,
        scan_on_push: false,
        encryption: None,
    }
}

fn applied(entries: &[(Aspect, &str)]) -> Vec<AppliedAspect> {
    let applied = entries.iter().map(|(aspect, hash)| AppliedAspect {
        aspect: *aspect,
        hash: (*hash).to_owned(),
    });
    applied.collect()
}

#[test]
fn a_binding_is_recorded_once_and_read_back() {
    let mut status = Status::default();
    assert_eq!(binding(&status), None);
    record_binding(&mut status, &place("payments/api"));
    let bound = |established| Binding {
        identity: place("payments/api"),
        established,
    };
    assert_eq!(binding(&status), Some(bound(false)));
    record_repository(&mut status, &place("payments/api"), &described());
    assert_eq!(binding(&status), Some(bound(true)));
    let arn = "arn:aws:ecr:ap-southeast-1:111122223333:repository/payments/api";
    assert_eq!(status.arn.as_deref(), Some(arn));
    assert_eq!(status.repository_uri.as_deref(), Some("the uri"));
    assert_eq!(status.created_at.as_deref(), Some("then"));
}

#[test]
fn the_same_binding_forgets_nothing_and_another_all_that_was_known() {
    let mut status = Status::default();
    record_binding(&mut status, &place("payments/api"));
    record_repository(&mut status, &place("payments/api"), &described());
    status.tag_keys = vec!["team".to_owned()];
    status.working_memory.applied = applied(&[(Aspect::Tags, "x")]);
    status.cluster_uid = Some("uid".to_owned());
    status.taken_over = Some(TakenOver {
        from: "prod/payments/web".to_owned(),
    });
    status.last_handled_request_at = Some("now".to_owned());
    let known = status.clone();
    record_binding(&mut status, &place("payments/api"));
    assert_eq!(status, known);

    record_binding(&mut status, &place("payments/web"));
    let expected = Status {
        registry_id: Some("111122223333".to_owned()),
        region: Some("ap-southeast-1".to_owned()),
        repository_name: Some("payments/web".to_owned()),
        last_handled_request_at: Some("now".to_owned()),
        ..Status::default()
    };
    assert_eq!(
        status, expected,
        "a tag key of the one may be foreign on the other"
    );
}

#[test]
fn what_is_only_looked_at_is_on_record_as_such_and_never_as_ours() {
    let here = place("payments/api");
    let mut status = Status::default();
    record_binding(&mut status, &here);
    record_looked_at(&mut status, &here, &described());
    let looked_at = status.clone();
    assert_eq!(status.ownership, Some(Ownership::NotOwned));
    assert_eq!(status.repository_uri.as_deref(), Some("the uri"));
    assert!(status.arn.is_some() && status.created_at.is_some());
    let bound = binding(&status).unwrap();
    assert!(
        !bound.established,
        "nobody deletes or misses it for this object"
    );
    // It goes, or the object is to be enforced.
    forget_looked_at(&mut status);
    assert_eq!(
        (status.arn.clone(), status.created_at.clone()),
        (None, None)
    );
    assert_eq!(
        (status.repository_uri.clone(), status.ownership),
        (None, None)
    );
    // It is adopted.
    status = looked_at.clone();
    record_repository(&mut status, &here, &described());
    assert!(binding(&status).unwrap().established);
    // What is ours is never taken for another's, nor forgotten.
    let ours = status.clone();
    record_looked_at(&mut status, &here, &described());
    forget_looked_at(&mut status);
    assert_eq!(status, ours);
    // Another name.
    status = looked_at;
    record_binding(&mut status, &place("payments/web"));
    assert_eq!((status.arn, status.ownership), (None, None));
}

#[test]
fn what_the_first_release_noted_is_taken_up() {
    let former = Status {
        applied: applied(&[(Aspect::Tags, "x")]),
        ..Status::default()
    };
    let mut status = former.clone();
    status.take_up_former();
    assert_eq!(status.applied, vec![]);
    assert_eq!(status.working_memory.applied, former.applied);
    // What was noted since counts.
    status.applied = applied(&[(Aspect::Tags, "former")]);
    status.take_up_former();
    assert_eq!(
        (status.applied, status.working_memory.applied),
        (vec![], former.applied)
    );
}

#[test]
fn half_a_binding_or_an_illegal_one_is_none() {
    let mut whole = Status::default();
    record_binding(&mut whole, &place("payments/api"));
    let breaks: [fn(&mut Status); 6] = [
        |status| status.registry_id = None,
        |status| status.region = None,
        |status| status.repository_name = None,
        |status| status.registry_id = Some("12".to_owned()),
        |status| status.region = Some("x/../y".to_owned()),
        |status| status.repository_name = Some("UPPER".to_owned()),
    ];
    for (i, breaks) in breaks.into_iter().enumerate() {
        let mut status = whole.clone();
        breaks(&mut status);
        assert_eq!(binding(&status), None, "{i}");
    }
}

#[test]
fn what_is_in_force_is_recorded_aspect_by_aspect() {
    const SCAN: Aspect = Aspect::ImageScanningConfiguration;
    type Entries = &'static [(Aspect, &'static str)];
    let table: [(&str, Entries, Entries, &[Aspect], Entries); 9] = [
        ("new", &[], &[(LIFECYCLE, "a")], &[], &[(LIFECYCLE, "a")]),
        (
            "changed",
            &[(LIFECYCLE, "a")],
            &[(LIFECYCLE, "b")],
            &[],
            &[(LIFECYCLE, "b")],
        ),
        (
            "not yet changed",
            &[(LIFECYCLE, "a")],
            &[(LIFECYCLE, "b")],
            &[LIFECYCLE],
            &[(LIFECYCLE, "a")],
        ),
        ("never done", &[], &[(LIFECYCLE, "a")], &[LIFECYCLE], &[]),
        (
            "released",
            &[(LIFECYCLE, "a")],
            &[],
            &[],
            &[(LIFECYCLE, RELEASED)],
        ),
        (
            "stays released",
            &[(LIFECYCLE, RELEASED)],
            &[],
            &[],
            &[(LIFECYCLE, RELEASED)],
        ),
        (
            "ours again",
            &[(LIFECYCLE, RELEASED)],
            &[(LIFECYCLE, "b")],
            &[],
            &[(LIFECYCLE, "b")],
        ),
        (
            "tags are never released",
            &[(Aspect::Tags, "a")],
            &[],
            &[],
            &[],
        ),
        (
            "each by itself",
            &[(SCAN, "a"), (LIFECYCLE, "a")],
            &[(SCAN, "b"), (LIFECYCLE, "b")],
            &[SCAN],
            &[(SCAN, "a"), (LIFECYCLE, "b")],
        ),
    ];
    for (what, before, hashes, undone, after) in table {
        let mut status = Status::default();
        status.working_memory.applied = applied(before);
        let hashes: BTreeMap<_, _> = hashes
            .iter()
            .map(|(a, hash)| (*a, (*hash).to_owned()))
            .collect();
        let undone: BTreeSet<_> = undone.iter().copied().collect();
        record_applied(&mut status, &hashes, &undone);
        assert_eq!(status.working_memory.applied, applied(after), "{what}");
        let said: Vec<_> = released(&status).collect();
        let expected = after
            .iter()
            .filter(|(_, hash)| *hash == RELEASED)
            .map(|(a, _)| *a);
        assert_eq!(said, expected.collect::<Vec<_>>(), "{what}");
    }
}
