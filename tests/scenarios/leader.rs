//! Two operators and one lease, on the real API server: whatever happens to the leader, the two never
//! write side by side, and the other takes over. Each process has an access key and a token of its own,
//! by which ECR's log and the API server's audit log tell them apart; `world::invariants` and
//! `world::audit` see to it that none writes once another has.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};
use xtask::install::NAMESPACE;

use crate::world::{
    Operator, Server, World, assert_says, audit, closed_port, forward_while, is_write,
};

/// The lease of 15 seconds, a retry, and what a busy machine needs beside.
const WITHIN: Duration = Duration::from_secs(30);

/// Less than the lease: who waited it out would come too late.
const AT_ONCE: Duration = Duration::from_secs(12);

struct Pair {
    world: World,
    lease: String,
    /// Changes objects all the time, so that a leader always has something to write.
    busy: JoinSet<()>,
}

impl Pair {
    /// A world with the right to a lease, and no operator yet.
    async fn new(name: &str) -> Self {
        let mut world = World::without_operator(name).await;
        let namespace = world.namespace.clone();
        world.flag("--leader-elect");
        world.flag(&format!("--lease-namespace={NAMESPACE}"));
        let lease = format!("ecr-operator-{namespace}");
        let rights = rights(&lease).to_string();
        let apply = ["apply", "-n", NAMESPACE, "-f", "-"];
        let kubectl = &world.server.kubectl;
        kubectl.run_with(&apply, &rights).await.unwrap();
        let busy = keep_busy(&world);
        Self { world, lease, busy }
    }

    /// The same with a lease that was given back, which the first operator takes at once.
    async fn with_lease(name: &str) -> Self {
        let pair = Self::new(name).await;
        let given_back = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": pair.lease, "labels": {"kept": "by-us"}},
            "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
        });
        let create = ["create", "-n", NAMESPACE, "-f", "-"];
        let kubectl = &pair.world.server.kubectl;
        kubectl
            .run_with(&create, &given_back.to_string())
            .await
            .unwrap();
        pair
    }

    /// A leader `a` that writes, and `b`, which stands by and is ready.
    async fn leading(name: &str) -> (Self, Operator, Operator) {
        let pair = Self::with_lease(name).await;
        let a = pair.spawn("a").await;
        pair.writes("a", WITHIN).await;
        let b = pair.spawn("b").await;
        stands_by(&b, "a").await;
        (pair, a, b)
    }

    async fn spawn(&self, name: &str) -> Operator {
        let file = format!("{}-{name}.kubeconfig", self.lease);
        let server = self.world.server.with_own_token(&file).await;
        self.spawn_on(&server, name)
    }

    fn spawn_on(&self, server: &Server, name: &str) -> Operator {
        let key = key(name);
        let environment = [("AWS_ACCESS_KEY_ID", key.as_str()), ("POD_NAME", name)];
        self.world.spawn_operator_on(server, &environment)
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.world.client.clone(), NAMESPACE)
    }

    fn count(&self, name: &str) -> usize {
        let (calls, key) = (self.world.calls(), key(name));
        let writes = calls.iter().filter(|call| is_write(call));
        writes.filter(|call| call.access_key == key).count()
    }

    /// Waits until it has written again.
    async fn writes(&self, name: &str, within: Duration) {
        let before = self.count(name);
        let what = format!("{name} to write");
        let writing = self.world.until(&what, |_| self.count(name) > before);
        let written = tokio::time::timeout(within, writing).await;
        assert!(written.is_ok(), "{name} does not write within {within:?}");
    }

    /// Ends with the one that leads now. Who writes to ECR writes to Kubernetes as well.
    async fn finish(mut self, leader: Operator) {
        self.busy.shutdown().await;
        leader.ready().await;
        self.world.adopt_operator(leader);
        for name in NAMES {
            self.world.ready(name).await;
        }
        let in_ecr = ["a", "b"].map(|name| usize::from(self.count(name) > 0));
        let in_kubernetes = audit::one_writer(&self.world).await;
        assert_eq!(in_kubernetes, in_ecr.iter().sum::<usize>());
        self.world.finish().await;
    }
}

fn key(name: &str) -> String {
    format!("AKIAOPERATOR{}", name.to_uppercase())
}

const NAMES: [&str; 2] = ["one", "two"];

/// Each object changes once a second: a pass whose object changes meanwhile writes nothing, and waits ever
/// longer when that goes on.
fn keep_busy(world: &World) -> JoinSet<()> {
    let mut busy = JoinSet::new();
    let objects = world.api();
    busy.spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        for (n, name) in (0_u64..).zip(NAMES.into_iter().cycle()) {
            ticks.tick().await;
            let object = json!({
                "apiVersion": "ecr-operator.dev/v1alpha1",
                "kind": "ECRRepository",
                "metadata": {"name": name},
                "spec": {"tags": {"n": n.to_string()}, "imageScanningConfiguration": {"scanOnPush": n % 4 < 2}},
            });
            let params = PatchParams::apply("team").force();
            // No assertion: what an overloaded API server refuses is changed at the next tick.
            let patched = objects.patch(name, &params, &Patch::Apply(object)).await;
            if let Err(error) = patched {
                eprintln!("{name} is not changed: {error}");
            }
        }
    });
    busy
}

/// What deploy/kustomize/rbac grants, for the lease of an operator that watches one namespace.
pub(crate) fn rights(lease: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    let account = json!({"kind": "ServiceAccount", "name": "ecr-operator", "namespace": "ecr-operator-system"});
    let rule = |names: &[&str], verbs: &[&str]| {
        json!({
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
            "resourceNames": names, "verbs": verbs,
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": lease},
            "rules": [rule(&[], &["create"]), rule(&[lease], &["get", "update"])],
        },
        {
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": lease},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": lease},
            "subjects": [account],
        },
    ]})
}

/// Waits until it is ready, and says whom it stands by for.
pub(crate) async fn stands_by(operator: &Operator, leader: &str) {
    let says = format!("standing by: {leader}_");
    operator
        .readiness(|status, body| status == 200 && body.contains(&says))
        .await;
}

/// It ended by itself, and said why.
async fn lost(operator: Operator, why: &str) {
    let (status, log) = operator.ended().await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert_says(&log, "is lost");
    assert_says(&log, why);
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed() {
    let (pair, a, b) = Pair::leading("lead-killed").await;
    a.kill();
    pair.writes("b", WITHIN).await;
    pair.finish(b).await;
}

#[tokio::test]
async fn a_leader_that_stood_still_writes_no_more_when_it_goes_on() {
    let (pair, a, b) = Pair::leading("lead-stopped").await;
    a.signal("STOP");
    pair.writes("b", WITHIN).await;
    let written = pair.count("a");
    a.signal("CONT");
    lost(a, "could not be renewed in time").await;
    pair.writes("b", WITHIN).await;
    assert_eq!(pair.count("a"), written);
    pair.finish(b).await;
}

#[tokio::test]
async fn a_leader_that_is_cut_off_from_kubernetes_ends_while_ecr_still_answers() {
    let pair = Pair::with_lease("lead-cut").await;
    let port = closed_port();
    let file = format!("{}-a.kubeconfig", pair.lease);
    let (server, to) = pair.world.server.through(port, &file).await;
    let (open, is_open) = watch::channel(true);
    let _proxy = forward_while(port, &to, is_open).await;
    let a = pair.spawn_on(&server, "a");
    pair.writes("a", WITHIN).await;
    let b = pair.spawn("b").await;
    stands_by(&b, "a").await;
    open.send(false).unwrap();
    lost(a, "could not be renewed in time").await;
    pair.writes("b", WITHIN).await;
    pair.finish(b).await;
}

#[tokio::test]
async fn a_lease_that_is_deleted_by_hand_is_put_back_and_nobody_takes_over() {
    let (pair, a, b) = Pair::leading("lead-deleted").await;
    let leases = pair.leases();
    for _ in 0..4 {
        let before = leases.get(&pair.lease).await.unwrap().metadata.uid;
        leases
            .delete(&pair.lease, &DeleteParams::default())
            .await
            .unwrap();
        let held = kube::runtime::wait::await_condition(
            leases.clone(),
            &pair.lease,
            |lease: Option<&Lease>| {
                let holder = lease.and_then(|it| it.spec.as_ref()?.holder_identity.as_deref());
                holder.is_some_and(|it| it.starts_with("a_"))
                    && lease.and_then(|it| it.metadata.uid.clone()) != before
            },
        );
        pair.world.patiently("the lease", held).await.unwrap();
        pair.writes("a", WITHIN).await;
    }
    stands_by(&b, "a").await;
    assert_eq!(pair.count("b"), 0);
    b.stop().await;
    pair.finish(a).await;
}

#[tokio::test]
async fn a_lease_that_is_given_to_another_by_hand_ends_its_leader() {
    let (pair, a, b) = Pair::leading("lead-edited").await;
    let held = pair.leases().get(&pair.lease).await.unwrap();
    assert_eq!(held.metadata.labels.unwrap()["kept"], "by-us");
    let patch = json!({"spec": {"holderIdentity": "somebody"}});
    pair.leases()
        .patch(&pair.lease, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    lost(a, "is held by \"somebody\"").await;
    pair.writes("b", WITHIN).await;
    pair.finish(b).await;
}

#[tokio::test]
async fn of_two_that_start_at_once_one_leads() {
    let pair = Pair::new("lead-both").await;
    let (a, b) = (pair.spawn("a").await, pair.spawn("b").await);
    let writing = pair
        .world
        .until("one to write", |_| pair.count("a") + pair.count("b") > 0);
    // Nobody has given this lease back: it is made, and rests.
    tokio::time::timeout(WITHIN, writing).await.unwrap();
    let (leader, name, other) = if pair.count("a") > 0 {
        (a, "a", b)
    } else {
        (b, "b", a)
    };
    stands_by(&other, name).await;
    pair.writes(name, WITHIN).await;
    other.stop().await;
    pair.finish(leader).await;
}

#[tokio::test]
async fn a_leader_that_is_stopped_orderly_hands_over_at_once() {
    let (pair, a, b) = Pair::leading("lead-handed").await;
    let log = a.stop().await;
    assert_says(&log, "the lease is given back");
    pair.writes("b", AT_ONCE).await;
    let lease = pair.leases().get(&pair.lease).await.unwrap().spec.unwrap();
    assert!(lease.holder_identity.unwrap().starts_with("b_"));
    assert_eq!(lease.lease_transitions, Some(2));
    pair.finish(b).await;
}

#[tokio::test]
async fn without_the_right_to_its_lease_it_says_what_to_grant() {
    let mut world = World::without_operator("lead-forbidden").await;
    world.flag("--leader-elect");
    world.flag(&format!("--lease-namespace={NAMESPACE}"));
    let operator = world.spawn_operator(&[]);
    operator
        .readiness(|status, body| status == 503 && body.contains("grant the operator's RBAC"))
        .await;
    operator.stop().await;
    assert_eq!(world.calls().len(), 0);
    world.finish().await;
}
