//! Least privilege: every right that the manifests grant is used somewhere in the scenarios, and none is
//! used that they do not grant.
//!
//! Each scenario's API server writes an audit log, and this reads those of the last run of all of them.
//! So it comes after the others: `make test` runs it then, and `cargo test` alone leaves it out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use xtask::rights;

#[test]
fn what_is_granted_is_used_and_what_is_used_is_granted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let grants = rights::granted(&root.join("deploy/kustomize/rbac")).unwrap();
    let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenarios");
    let requests = rights::requests(&logs).unwrap();
    // A scenario that takes a right away on purpose has its request refused; it is granted all the same.
    let ungranted = rights::ungranted(&grants, &requests);
    assert!(
        ungranted.is_empty(),
        "the operator asks for what deploy/kustomize/rbac does not grant:\n{}",
        lines(&ungranted)
    );
    let unused = rights::unused(&grants, &requests);
    assert!(
        unused.is_empty(),
        "deploy/kustomize/rbac grants what no scenario made use of (all of them must have run):\n{}",
        lines(&unused)
    );
}

fn lines(all: &[impl ToString]) -> String {
    let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
