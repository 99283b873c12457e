//! Which class an object is of, as whom AWS is called for it, and what the two ask for together.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use kube::{Resource as _, ResourceExt};

use super::{
    context::Context,
    errand::errand,
    pass::Pass,
    surroundings::{WatchedClass, is_default},
    watching::digest,
};
use crate::{
    api::{APPROVE_RECREATE_ANNOTATION, ClassSetting, ECRRepository, ECRRepositoryClass},
    domain::{
        class::{Budget, Candidate, Class, Defaults, Effective, NoChoice, Subject, choose},
        desired::{Desired, Refusal},
        identity::Registry,
        in_force::encryption_read,
        reason::Reason,
        setting::Setting,
        turns::{Errand, Lane},
    },
    ecr::{Access, Clients, Ecr as _},
};

/// Whether an object goes on under a class or ends under it: a class that is being deleted lets what
/// is there end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Course {
    GoesOn,
    Ends,
}

/// How AWS is called for a class.
pub(super) fn access(name: &str, class: &Class) -> Access {
    Access {
        class: name.to_owned(),
        account: class.registry.as_ref().map(|it| it.id.clone()),
        region: class.registry.as_ref().map(|it| it.region.clone()),
        role: class.role.clone(),
    }
}

/// The classes as they were last parsed, by uid and with their generation: once for all the passes of
/// all their objects.
#[derive(Default)]
pub(super) struct Parsed(Mutex<HashMap<String, (i64, Arc<Class>)>>);

impl Parsed {
    pub(super) fn of(&self, class: &ECRRepositoryClass) -> Result<Arc<Class>, Refusal> {
        let (uid, generation) = (class.uid(), class.metadata.generation);
        let Some((uid, generation)) = uid.zip(generation) else {
            return Class::parse(&class.name_any(), &class.spec).map(Arc::new);
        };
        // A map is whole after any panic.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = all.get(&uid).filter(|(of, _)| *of == generation) {
            return Ok(Arc::clone(known));
        }
        let parsed = Arc::new(Class::parse(&class.name_any(), &class.spec)?);
        all.insert(uid, (generation, Arc::clone(&parsed)));
        Ok(parsed)
    }

    /// All others are gone.
    pub(super) fn only(&self, there: &HashSet<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|uid, _| there.contains(uid));
    }

    /// Forgets a class that is gone.
    pub(super) fn forget(&self, uid: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(uid);
    }
}

pub(super) fn candidate(class: &impl ResourceExt) -> Candidate<'_> {
    let meta = class.meta();
    Candidate {
        name: meta.name.as_deref().unwrap_or_default(),
        is_default: is_default(class),
        deleting: meta.deletion_timestamp.is_some(),
        uid: meta.uid.as_deref().unwrap_or_default(),
        created: meta.creation_timestamp.as_ref().map(|it| it.0),
    }
}

/// The one that counts, whether or not it is being deleted.
fn chosen<'a>(
    named: Option<&'a str>,
    candidates: &[Candidate<'a>],
) -> Result<Candidate<'a>, NoChoice<'a>> {
    match choose(named, candidates) {
        Err(NoChoice::Deleting(class)) => Ok(class),
        other => other,
    }
}

/// The one that counts for an object on this course.
pub(super) fn counts<'a>(
    named: Option<&'a str>,
    candidates: &[Candidate<'a>],
    course: Course,
) -> Result<Candidate<'a>, NoChoice<'a>> {
    match course {
        Course::GoesOn => choose(named, candidates),
        Course::Ends => chosen(named, candidates),
    }
}

impl<C> Context<C> {
    /// The class that an object is of.
    pub(super) fn class_of(
        &self,
        object: &ECRRepository,
        course: Course,
    ) -> Result<Arc<WatchedClass>, Refusal> {
        let classes = self.surroundings.classes.state();
        let candidates: Vec<_> = classes.iter().map(|it| candidate(&**it)).collect();
        let named = object.spec.class_name.as_deref();
        let counts = counts(named, &candidates, course)
            .map_err(|why| self.unchosen(&why, object, &classes))?;
        let mut found = candidates.iter().zip(&classes);
        let found = found.find(|(candidate, _)| **candidate == counts);
        found
            .map(|(_, class)| Arc::clone(class))
            .ok_or_else(|| NoChoice::NotFound(counts.name).refusal([]))
    }

    /// Why no class counts. Of the others those alone are named that are for the object's namespace: which
    /// classes other teams have is not for everybody to learn.
    fn unchosen(
        &self,
        why: &NoChoice<'_>,
        object: &ECRRepository,
        classes: &[Arc<WatchedClass>],
    ) -> Refusal {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let labels = self.surroundings.labels(namespace);
        let serves = |class: &ECRRepositoryClass| {
            let parsed = self.parsed.of(class).ok();
            parsed.is_some_and(|it| it.serves(&labels))
        };
        let serving = classes.iter().filter_map(|class| class.0.as_ref().ok());
        let serving = serving.filter(|class| serves(class));
        why.refusal(serving.filter_map(|class| class.metadata.name.as_deref()))
    }

    /// What a class says of it that there are several default classes, of which it is one.
    pub(super) fn several_defaults(&self, class: &str) -> Option<String> {
        let classes = self.surroundings.classes.state();
        let candidates: Vec<_> = classes.iter().map(|it| candidate(&**it)).collect();
        Defaults::of(&candidates)?.told_by(class)
    }

    /// How many objects are of a class.
    pub(super) fn users_of_class(&self, name: &str) -> usize {
        let classes = self.surroundings.classes.state();
        let candidates: Vec<_> = classes.iter().map(|it| candidate(&**it)).collect();
        let objects = self.store.state();
        let named = objects.iter().filter_map(|object| object.class_name().ok());
        named
            .filter(|named| chosen(*named, &candidates).is_ok_and(|class| class.name == name))
            .count()
    }

    /// How AWS is called for each class that is there and can be read.
    fn accesses(&self) -> Vec<Access> {
        let classes = self.surroundings.classes.state();
        let readable = classes.iter().filter_map(|class| class.0.as_ref().ok());
        let parsed = readable.filter_map(|class| {
            let parsed = self.parsed.of(class).ok()?;
            Some(access(&class.name_any(), &parsed))
        });
        parsed.collect()
    }

    /// The access of a class for which AWS is called alike: this very one, where its class still has it.
    pub(super) fn alike(&self, of: &Access) -> Option<Access> {
        let all = self.accesses();
        let told = of.as_told();
        let alike = || all.iter().find(|it| it.as_told() == told);
        all.iter().find(|it| *it == of).or_else(alike).cloned()
    }

    /// The names of the classes for which AWS is called alike.
    pub(super) fn users_of_access(&self, of: &Access) -> BTreeSet<String> {
        let told = of.as_told();
        let alike = self.accesses().into_iter();
        let alike = alike.filter(|it| it.as_told() == told);
        alike.map(|it| it.class).collect()
    }
}

impl<C: Clients> Context<C> {
    /// A class has come, changed or gone: nobody calls AWS any more as none of them says.
    pub(super) fn drop_former_accesses(&self) {
        self.clients.keep(&self.accesses().into_iter().collect());
    }

    /// A repository that was looked at for another class is not looked at as that says any more.
    fn moves(&self, repository: &str, former: &str, now: &Access) {
        let all = self.accesses();
        let former = all.iter().find(|it| it.class == former);
        if let Some(former) = former.filter(|it| it.as_told() != now.as_told()) {
            self.clients.leave(former, repository);
        }
    }

    /// Paces calls to a registry by the lowest budget of all classes that lead there.
    pub(super) fn pace(&self, registry: &Registry) {
        let version = self.surroundings.version.load(Ordering::Relaxed);
        let mut paced = self.paced.lock().unwrap_or_else(PoisonError::into_inner);
        if paced.insert(registry.clone(), version) == Some(version) {
            return;
        }
        drop(paced);
        let classes = self.surroundings.classes.state();
        let readable = classes.iter().filter_map(|class| class.0.as_ref().ok());
        self.clients
            .set_budget(registry, lowest_budget(readable, registry));
    }
}

fn lowest_budget<'a>(
    classes: impl Iterator<Item = &'a ECRRepositoryClass>,
    registry: &Registry,
) -> Budget {
    let budgets = classes.filter_map(|class| {
        let parsed = Class::parse(&class.name_any(), &class.spec).ok()?;
        leads_to(class, &parsed, registry).then_some(parsed.budget)
    });
    budgets.reduce(Budget::lowest).unwrap_or_default()
}

/// Whether a class leads to a registry. One that names none leads where its credentials were last seen to
/// belong, and until then it may lead to any.
fn leads_to(class: &ECRRepositoryClass, parsed: &Class, registry: &Registry) -> bool {
    if let Some(named) = &parsed.registry {
        return named == registry;
    }
    let status = class.status.as_ref();
    let seen = status.and_then(|it| it.registry_id.as_deref().zip(it.region.as_deref()));
    seen.is_none_or(|(id, region)| id == registry.id.as_str() && region == registry.region.as_str())
}

impl<C: Clients> Pass<'_, C> {
    /// Finds the object's class, and calls AWS from now on as that says.
    pub(super) async fn assign(&mut self, course: Course) -> Result<Arc<Class>, Refusal> {
        self.ctx.surroundings.ready().await;
        let watched = self.ctx.class_of(&self.object, course)?;
        let name = watched.name_any();
        let class = watched.0.as_ref().map_err(|_| unreadable(&name))?;
        self.permission = Some(self.permission_by(watched.meta(), course));
        self.note_class();
        let parsed = self.ctx.parsed.of(class).map_err(|why| Refusal {
            reason: Reason::ClassNotReady,
            message: format!(
                "Class {name} cannot be used — have it corrected: {}",
                why.message
            ),
        })?;
        self.access = access(&name, &parsed);
        let errand = self.errand();
        self.aws = self.ctx.clients.open(&self.access).await.on_errand(errand);
        let former = self.before.class_name.as_ref();
        let moved = former.filter(|former| **former != name);
        if let Some((former, repository)) = moved.zip(self.before.repository_name.as_ref()) {
            self.ctx.moves(repository, former, &self.access);
        }
        let approval = class.annotations().get(APPROVE_RECREATE_ANNOTATION);
        self.class_approval = approval.cloned();
        self.status.class_name = Some(name);
        Ok(parsed)
    }

    /// On whose behalf AWS is called: also somebody's where the class asks for something else.
    fn errand(&self) -> Errand {
        let errand = errand(&self.object);
        if self.differs {
            return Errand {
                lane: Lane::Person,
                ..errand
            };
        }
        errand
    }

    /// Notes whether what is asked for is what was last in force.
    pub(super) fn note_difference(&mut self, differs: bool) {
        self.differs = differs;
        if differs {
            self.aws = self.aws.on_errand(self.errand());
        }
    }

    /// A class that has changed cuts every wait short, as a change of the object does.
    fn note_class(&mut self) {
        let class = digest(self.permission.as_ref().map(|it| &it.class));
        let before = self.memory.class.replace(class);
        if before.is_some_and(|before| before != class) {
            self.memory.begin_afresh();
        }
    }

    /// What is asked of a repository that exists: a class's encryption counts at creation only.
    pub(super) fn of_existing(&self, desired: &Desired) -> Desired {
        let encryption = desired.encryption.clone();
        Desired {
            encryption: encryption.filter(|_| !self.from_class.encryption),
            ..desired.clone()
        }
    }

    /// What object and class ask for together in `registry`, the place that it would be bound to.
    pub(super) fn desired(
        &mut self,
        class: &Class,
        registry: Registry,
    ) -> Result<Desired, Refusal> {
        let spec = &self.object.spec;
        let effective = self.as_subject(|subject| class.admit(subject, spec, &registry))?;
        self.asked_by(class, &effective, registry)
    }

    /// The same of what holds already.
    pub(super) fn asked_by(
        &mut self,
        class: &Class,
        effective: &Effective,
        registry: Registry,
    ) -> Result<Desired, Refusal> {
        self.status.effective = effective.records();
        self.overridden = effective.override_message();
        let of_class = effective.is_from_class(ClassSetting::LifecyclePolicy);
        self.from_class.lifecycle = class.lifecycle_allowance(of_class);
        self.from_class.adoption = Some(class.adoption());
        self.from_class.encryption = effective.is_from_class(ClassSetting::EncryptionConfiguration);
        let desired = effective.desired(class, self.owner(), registry)?;
        if let Some(held) = encryption_read(&self.before.effective) {
            self.note_encryption(&desired, Some(&held));
        }
        self.note_denials(class, &desired);
        Ok(desired)
    }

    /// Asks something of a class on behalf of the object, as it and its namespace are now.
    pub(super) fn as_subject<T>(&self, ask: impl FnOnce(&Subject<'_>) -> T) -> T {
        let owner = self.owner();
        let namespace_labels = self.ctx.surroundings.labels(&owner.namespace);
        ask(&Subject {
            namespace: &owner.namespace,
            name: &owner.name,
            labels: self.object.labels(),
            namespace_labels: &namespace_labels,
        })
    }

    /// Notes whether the policy that is asked for could deny the operator its work.
    pub(super) fn note_denials(&mut self, class: &Class, desired: &Desired) {
        self.denials = match &desired.policy {
            Ok(Setting::Present(document)) => {
                let own = &desired.identity.registry.id;
                class.grantable.warning(document, own)
            }
            Ok(Setting::Absent | Setting::Unmanaged) | Err(_) => None,
        };
    }
}

fn unreadable(class: &str) -> Refusal {
    Refusal {
        reason: Reason::ClassNotReady,
        message: format!(
            "Class {class} cannot be read by this version — have it corrected, or the operator updated"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{Region, RegistryId};
    use serde_json::{Value, json};

    fn registry(account: &str) -> Registry {
        Registry {
            id: RegistryId::parse(account).unwrap(),
            region: Region::parse("eu-central-1").unwrap(),
        }
    }

    fn class(spec: &Value, status: &Value) -> ECRRepositoryClass {
        let class = json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepositoryClass",
            "metadata": {"name": "it"},
            "spec": spec,
            "status": status,
        });
        serde_json::from_value(class).unwrap()
    }

    #[test]
    fn a_class_is_parsed_once_for_each_generation() {
        let parsed = Parsed::default();
        let reads = |class: &ECRRepositoryClass| parsed.of(class).unwrap().budget.reads.get();
        let mut class = class(&json!({"apiBudget": {"readsPerSecond": 7}}), &json!({}));
        class.metadata.uid = Some("uid-1".to_owned());
        class.metadata.generation = Some(1);
        assert_eq!(reads(&class), 7);
        class.spec.api_budget = None;
        assert_eq!(
            reads(&class),
            7,
            "nobody changes a spec without its generation"
        );
        class.metadata.generation = Some(2);
        assert_eq!(reads(&class), 10);
        class.metadata.uid = Some("uid-2".to_owned());
        class.spec = serde_json::from_value(json!({"apiBudget": {"readsPerSecond": 3}})).unwrap();
        assert_eq!(reads(&class), 3, "another one of its name");
        assert!(Arc::ptr_eq(
            &parsed.of(&class).unwrap(),
            &parsed.of(&class).unwrap()
        ));
    }

    fn reads(classes: &[ECRRepositoryClass], account: &str) -> u32 {
        let budget = lowest_budget(classes.iter(), &registry(account));
        budget.reads.get()
    }

    #[test]
    fn a_budget_holds_where_its_class_leads() {
        let (own, member) = ("111111111111", "222222222222");
        let fast = json!({
            "registry": {"accountId": member, "region": "eu-central-1"},
            "apiBudget": {"readsPerSecond": 50},
        });
        let fast = class(&fast, &json!({}));
        let slow = |status: Value| class(&json!({"apiBudget": {"readsPerSecond": 2}}), &status);
        let seen = slow(json!({"registryId": own, "region": "eu-central-1"}));
        let classes = [fast.clone(), seen];
        assert_eq!([reads(&classes, own), reads(&classes, member)], [2, 50]);
        // Nobody has looked yet: it may lead there as well.
        let classes = [fast, slow(json!({}))];
        assert_eq!([reads(&classes, own), reads(&classes, member)], [2, 2]);
        assert_eq!(reads(&[], own), 10);
    }
}
