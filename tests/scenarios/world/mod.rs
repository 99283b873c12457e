//! The world of one scenario: a namespace of its own, an ECR of its own, an operator of its own, on
//! the one API server that all share.

pub(crate) mod audit;
mod canary;
mod crash;
pub(crate) mod estate;
mod history;
mod http;
mod invariants;
mod kstatus;
mod network;
mod operator;
mod outside;
mod plain;
mod quiet;
mod recorder;
mod relay;
mod server;
pub(crate) mod timed;
mod timed_cases;
mod truth;

use std::{collections::BTreeSet, fmt::Debug, sync::Arc, time::Duration};

use ecr_emulator::{Call, Emulator, Repository};
use ecr_operator::api::{ECRRepository, FINALIZER};
use k8s_openapi::api::{core::v1::Namespace, events::v1::Event};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::DeserializeGuard,
    runtime::wait::{await_condition, conditions::is_deleted},
};
use serde_json::{Value, json};

pub(crate) use canary::Canaries;
pub(crate) use crash::Crash;
pub(crate) use invariants::is_write;
pub(crate) use network::{closed_port, forward, forward_while};
pub(crate) use operator::{KEY, Operator, SECRET};
pub(crate) use quiet::NO_ROTA;
pub(crate) use relay::{End, Relay};
pub(crate) use server::Server;

use recorder::Recorder;

/// The account behind the operator's credentials.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The operator's region.
pub(crate) const REGION: &str = "ap-southeast-1";
/// The cluster's name in owner tags.
pub(crate) const CLUSTER: &str = "test-cluster";

/// How long a state may take to come about on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Everything that one scenario needs.
pub(crate) struct World {
    pub(crate) namespace: String,
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) client: Client,
    pub(crate) server: Server,
    operator: Option<Operator>,
    /// What operators logged that have ended.
    past_log: String,
    flags: Vec<String>,
    cluster: String,
    /// The access key id of this world's operators.
    key: String,
    /// Those of other worlds that share the emulator.
    strangers: BTreeSet<String>,
    recorder: Recorder,
    /// Objects whose adoption the scenario permits, by name.
    adopters: BTreeSet<String>,
    /// Repositories that the scenario deletes behind the operator's back, by name.
    lost: Vec<String>,
}

impl World {
    /// A world whose operator runs.
    pub(crate) async fn new(name: &str) -> Self {
        let mut world = Self::without_operator(name).await;
        world.start_operator().await;
        world
    }

    /// A world whose operator is started by the scenario.
    pub(crate) async fn without_operator(name: &str) -> Self {
        Self::on(Server::shared().await, name).await
    }

    /// The same on a server of the scenario's own.
    pub(crate) async fn on(server: Server, name: &str) -> Self {
        let emulator = Emulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        Self::with(server, name, Arc::new(emulator)).await
    }

    /// A second world with the same ECR: another namespace, and an operator that the scenario starts.
    pub(crate) async fn sibling(&mut self, name: &str) -> Self {
        let mut sibling = Self::with(self.server.clone(), name, Arc::clone(&self.emulator)).await;
        sibling.key = format!("AKIASIBLING{}", self.strangers.len());
        self.strangers.insert(sibling.key.clone());
        sibling.strangers.insert(self.key.clone());
        sibling
    }

    async fn with(server: Server, name: &str, emulator: Arc<Emulator>) -> Self {
        let client = server.client().await;
        let namespace = create_namespace(&client, name).await;
        let recorder = Recorder::start(client.clone(), &namespace).await;
        let flags = [
            "--resync-seconds=2",
            "--policy-resync-seconds=3",
            "--stalled-retry-seconds=3",
        ];
        Self {
            namespace,
            emulator,
            client,
            server,
            operator: None,
            past_log: String::new(),
            flags: flags.map(ToOwned::to_owned).to_vec(),
            cluster: CLUSTER.to_owned(),
            key: KEY.to_owned(),
            strangers: BTreeSet::new(),
            recorder,
            adopters: BTreeSet::new(),
            lost: Vec::new(),
        }
    }

    /// A flag for operators that are started from now on, in place of one of the same name.
    pub(crate) fn flag(&mut self, flag: &str) {
        let name = flag.split('=').next().unwrap_or_default();
        self.flags.retain(|f| f.split('=').next() != Some(name));
        self.flags.push(flag.to_owned());
    }

    /// The cluster name of operators that are started from now on.
    pub(crate) fn cluster(&mut self, name: &str) {
        name.clone_into(&mut self.cluster);
    }

    pub(crate) async fn start_operator(&mut self) {
        self.start_operator_with(&[]).await;
    }

    pub(crate) async fn start_operator_with(&mut self, environment: &[(&str, &str)]) {
        let operator = self.spawn_operator(environment);
        operator.ready().await;
        self.operator = Some(operator);
    }

    /// An operator process of this world, which may not become ready; `environment` comes on top.
    pub(crate) fn spawn_operator(&self, environment: &[(&str, &str)]) -> Operator {
        self.spawn_operator_on(&self.server, environment)
    }

    /// The same by another way to the API server.
    pub(crate) fn spawn_operator_on(
        &self,
        server: &Server,
        environment: &[(&str, &str)],
    ) -> Operator {
        let environment = [&[("AWS_ACCESS_KEY_ID", self.key.as_str())], environment].concat();
        let url = self.emulator.url();
        Operator::spawn(server, &url, &self.all_flags(), &environment)
    }

    /// Starts the operator by a command that ends in the program and knows the way to Kubernetes.
    pub(crate) async fn start_operator_by(&mut self, command: std::process::Command) {
        let operator = Operator::start(command, &self.emulator.url(), &self.all_flags(), &[]);
        operator.ready().await;
        self.operator = Some(operator);
    }

    fn all_flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("--cluster-name={}", self.cluster),
            format!("--watch-namespace={}", self.namespace),
        ];
        flags.extend(self.flags.iter().cloned());
        flags
    }

    /// Puts an operator that was spawned by the scenario in the place of the usual one.
    pub(crate) fn adopt_operator(&mut self, operator: Operator) {
        self.operator = Some(operator);
    }

    /// The operator, whose end the scenario takes in hand.
    pub(crate) fn release_operator(&mut self) -> Operator {
        self.operator
            .take()
            .expect("the scenario started an operator")
    }

    pub(crate) fn operator(&self) -> &Operator {
        self.operator
            .as_ref()
            .expect("the scenario started an operator")
    }

    /// SIGTERM, and a clean end.
    pub(crate) async fn stop_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            self.past_log += &operator.stop().await;
        }
    }

    /// SIGKILL.
    pub(crate) fn kill_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            self.past_log += &operator.kill();
        }
    }

    pub(crate) fn api(&self) -> Api<ECRRepository> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Server-side apply, as a team's pipeline would.
    pub(crate) async fn apply(&self, name: &str, spec: Value) -> ECRRepository {
        self.try_apply(name, spec).await.unwrap()
    }

    pub(crate) async fn try_apply(
        &self,
        name: &str,
        spec: Value,
    ) -> Result<ECRRepository, kube::Error> {
        let object = json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepository",
            "metadata": {"name": name, "labels": {"team": "payments"}, "annotations": {"example.com/note": "ours"}},
            "spec": spec,
        });
        let params = PatchParams::apply("team").force();
        self.api().patch(name, &params, &Patch::Apply(object)).await
    }

    pub(crate) async fn annotate(&self, name: &str, key: &str, value: &str) {
        self.set_annotation(name, key, Some(value)).await;
    }

    pub(crate) async fn without_annotation(&self, name: &str, key: &str) {
        self.set_annotation(name, key, None).await;
    }

    async fn set_annotation(&self, name: &str, key: &str, value: Option<&str>) {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let params = PatchParams {
            field_manager: Some("person".to_owned()),
            ..PatchParams::default()
        };
        self.api()
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub(crate) async fn get(&self, name: &str) -> ECRRepository {
        self.api().get(name).await.unwrap()
    }

    /// Asks for the deletion, and does not wait for it.
    pub(crate) async fn delete(&self, name: &str) {
        self.api()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// The same for an object that can't be read.
    pub(crate) async fn delete_unread(&self, name: &str) {
        let objects: Api<DeserializeGuard<ECRRepository>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        objects
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    pub(crate) async fn delete_namespace(&self) {
        Api::<Namespace>::all(self.client.clone())
            .delete(&self.namespace, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// Waits until the namespace is gone, which its controller removes when it is empty.
    pub(crate) async fn namespace_gone(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let gone = await_condition(namespaces, &self.namespace, |n: Option<&Namespace>| {
            n.is_none()
        });
        self.patiently("the namespace to go", gone).await.unwrap();
    }

    /// Waits until the object is gone.
    pub(crate) async fn gone(&self, object: &ECRRepository) {
        let uid = object.uid().unwrap();
        let name = object.name_any();
        let gone = await_condition(self.api(), &name, is_deleted(&uid));
        self.patiently(&format!("{name} goes"), gone).await.unwrap();
    }

    /// Waits until the object is as `is` wants it.
    pub(crate) async fn wait(
        &self,
        name: &str,
        what: &str,
        is: impl Fn(&ECRRepository) -> bool + Send,
    ) -> ECRRepository {
        let condition = |object: Option<&ECRRepository>| object.is_some_and(&is);
        let waiting = await_condition(self.api(), name, condition);
        self.patiently(&format!("{name}: {what}"), waiting)
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn patiently<T>(&self, what: &str, waiting: impl Future<Output = T>) -> T {
        if let Ok(done) = tokio::time::timeout(PATIENCE, waiting).await {
            return done;
        }
        panic!("waited in vain for {what}\n{}", self.all_told().await)
    }

    /// What a person would look at when a scenario fails.
    async fn all_told(&self) -> String {
        let objects = self.api().list(&ListParams::default()).await.unwrap();
        let statuses: Vec<_> = objects
            .iter()
            .map(|o| {
                format!(
                    "{}: {}",
                    o.name_any(),
                    json!({"spec": o.spec, "status": o.status})
                )
            })
            .collect();
        let calls: Vec<_> = self.calls().iter().map(told).collect();
        let log = self
            .operator
            .as_ref()
            .map(Operator::log)
            .unwrap_or_default();
        format!(
            "objects:\n{}\ncalls:\n{}\nlog:\n{log}",
            statuses.join("\n"),
            calls.join("\n")
        )
    }

    /// Waits for Ready=True of the generation that is there now.
    pub(crate) async fn ready(&self, name: &str) -> ECRRepository {
        let generation = self.get(name).await.metadata.generation;
        self.wait(name, "Ready", |object| {
            condition(object, "Ready") == Some(("True", "Synced"))
                && object
                    .status
                    .as_ref()
                    .is_some_and(|s| s.observed_generation >= generation)
        })
        .await
    }

    /// Waits for Stalled=True with this reason, of the generation that is there now.
    pub(crate) async fn stalled(&self, name: &str, reason: &str) -> ECRRepository {
        let generation = self.get(name).await.metadata.generation;
        self.wait(name, reason, |object| {
            condition(object, "Stalled") == Some(("True", reason))
                && object
                    .status
                    .as_ref()
                    .is_some_and(|s| s.observed_generation >= generation)
        })
        .await
    }

    /// All versions of an object that there were until now.
    pub(crate) async fn versions(&self, name: &str) -> Vec<ECRRepository> {
        let catching_up = self.recorder.catch_up(self.client.clone(), &self.namespace);
        self.patiently("the recorder to catch up", catching_up)
            .await;
        let versions = self.recorder.versions().into_iter();
        versions.filter(|it| it.name_any() == name).collect()
    }

    /// The repository that the object of this name stands for.
    pub(crate) fn repository(&self, name: &str) -> Option<Repository> {
        self.emulator
            .repository(ACCOUNT, REGION, &self.in_ecr(name))
    }

    /// The name in ECR of an object that names none.
    pub(crate) fn in_ecr(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// Permits an object's adoption of what exists already.
    pub(crate) fn permit_adoption(&mut self, name: &str) {
        self.adopters.insert(name.to_owned());
    }

    /// Waits until the emulator is as `is` wants it.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let waiting = async {
            while !is(self) {
                ticks.tick().await;
            }
        };
        self.patiently(what, waiting).await;
    }

    /// All calls of operators of this world.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut calls = self.emulator.log();
        calls.retain(|call| !self.strangers.contains(&call.access_key));
        calls
    }

    /// The operator's writes that took effect.
    pub(crate) fn written(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| is_write(call) && call.applied && call.answer.is_ok());
        calls
    }

    /// The operator's calls of one operation.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.calls()
            .iter()
            .filter(|call| call.operation == operation)
            .count()
    }

    /// Waits until the operator has looked so many times more: at the repository by itself, or, where it
    /// rests, at its whole registry.
    pub(crate) async fn looks(&self, repository: &str, times: usize) {
        let looked = |world: &Self| {
            let calls = world.calls();
            let count =
                |is_one: &dyn Fn(&Call) -> bool| calls.iter().filter(|it| is_one(it)).count();
            [count(&|call| is_look(call, repository)), count(&is_sweep)]
        };
        let before = looked(self);
        self.until(&format!("{times} looks at {repository}"), |world| {
            let mut now = looked(world).into_iter().zip(before);
            now.any(|(now, before)| now >= before + times)
        })
        .await;
    }

    /// The events that were told of an object, oldest first: type, reason, note.
    pub(crate) async fn events(&self, name: &str) -> Vec<(String, String, String)> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.retain(|e| e.regarding.as_ref().and_then(|r| r.name.as_deref()) == Some(name));
        events.sort_by_key(|e| e.event_time.clone());
        let text = Option::unwrap_or_default;
        events
            .into_iter()
            .map(|e| (text(e.type_), text(e.reason), text(e.note)))
            .collect()
    }

    /// Waits until an event with this reason was told of the object; gives its note.
    pub(crate) async fn event(&self, name: &str, reason: &str) -> String {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let waiting = async {
            loop {
                let events = self.events(name).await;
                if let Some((_, _, note)) = events.into_iter().find(|(_, r, _)| r == reason) {
                    return note;
                }
                ticks.tick().await;
            }
        };
        self.patiently(&format!("an event {reason} of {name}"), waiting)
            .await
    }

    /// What says Ready is so in ECR. `finish` sees to it too, for what is there then.
    pub(crate) async fn status_is_true(&self) {
        invariants::status_is_true(self).await;
    }

    /// Ends the scenario: everything rests, every invariant holds.
    pub(crate) async fn finish(mut self) {
        if self.operator.is_some() {
            invariants::rests(&self).await;
        }
        self.stop_operator().await;
        let catching_up = self.recorder.catch_up(self.client.clone(), &self.namespace);
        self.patiently("the recorder to catch up", catching_up)
            .await;
        invariants::hold(&self, &self.past_log).await;
        plain::hold(&self, &self.past_log).await;
    }
}

/// Whether a call begins to list a whole registry.
pub(crate) fn is_sweep(call: &Call) -> bool {
    call.operation == "DescribeRepositories"
        && call.input.get("repositoryNames").is_none()
        && call.input.get("nextToken").is_none()
}

fn is_look(call: &Call, repository: &str) -> bool {
    call.operation == "DescribeRepositories"
        && call.input.get("repositoryNames") == Some(&json!([repository]))
}

fn told(call: &Call) -> String {
    let answer = match &call.answer {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{}: {}", error.code, error.message),
    };
    format!(
        "{} {} {} -> {answer} {:?}",
        call.seq, call.operation, call.input, call.fault
    )
}

async fn create_namespace(client: &Client, name: &str) -> String {
    let namespace = Namespace {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let namespace = Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    namespace.name_any()
}

/// The names of the operations.
pub(crate) fn operations(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.operation.as_str()).collect()
}

/// Status and reason of a condition.
pub(crate) fn condition<'a>(object: &'a ECRRepository, type_: &str) -> Option<(&'a str, &'a str)> {
    let conditions = &object.status.as_ref()?.conditions;
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == type_)?;
    Some((&found.status, &found.reason))
}

/// The message of a condition.
pub(crate) fn message<'a>(object: &'a ECRRepository, type_: &str) -> &'a str {
    let conditions = object
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    conditions
        .iter()
        .find(|c| c.type_ == type_)
        .map_or("", |c| c.message.as_str())
}

/// Whether our finalizer is there.
pub(crate) fn has_finalizer(object: &ECRRepository) -> bool {
    object.finalizers().iter().any(|f| f == FINALIZER)
}

/// Asserts that the text says something, and shows it if not.
#[track_caller]
pub(crate) fn assert_says(text: &(impl AsRef<str> + Debug + ?Sized), what: &str) {
    assert!(
        text.as_ref().contains(what),
        "expected {what:?} in {text:?}"
    );
}
