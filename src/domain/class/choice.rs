//! Which class counts for an object.

use std::cmp::Reverse;

use k8s_openapi::jiff::Timestamp;

use crate::domain::desired::Refusal;
use crate::domain::near::nearest;
use crate::domain::reason::Reason;

/// A class, as far as the choice looks at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its annotation makes it a default.
    pub is_default: bool,
    /// Whether its deletion has begun.
    pub deleting: bool,
    /// Its uid: one that was made anew under the same name is another.
    pub uid: &'a str,
    /// When it was created, as the API server says, which takes nobody's word for it.
    pub created: Option<Timestamp>,
}

/// Why no class counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoChoice<'a> {
    /// None is named, and none is the default.
    NoClass,
    /// The one that is named does not exist.
    NotFound(&'a str),
    /// It is being deleted: nothing new begins under it. What ends may still end by it.
    Deleting(Candidate<'a>),
}

/// Chooses the class that is named, or else the default class.
///
/// # Errors
/// Where none counts.
pub fn choose<'a>(
    class_name: Option<&'a str>,
    classes: &[Candidate<'a>],
) -> Result<Candidate<'a>, NoChoice<'a>> {
    let chosen = match class_name {
        Some(name) => *classes
            .iter()
            .find(|class| class.name == name)
            .ok_or(NoChoice::NotFound(name))?,
        None => default(classes).ok_or(NoChoice::NoClass)?,
    };
    if chosen.deleting {
        return Err(NoChoice::Deleting(chosen));
    }
    Ok(chosen)
}

/// The default class. Of several the newest counts, and of those of the same second the first by name, as for
/// `StorageClass` (Kubernetes, "Storage Classes", default; `GetDefaultClass` in its sources). One that is being
/// deleted counts where there is no other.
fn default<'a>(classes: &[Candidate<'a>]) -> Option<Candidate<'a>> {
    let defaults = classes.iter().filter(|class| class.is_default);
    let order = |class: &&Candidate<'a>| (class.deleting, Reverse(class.created), class.name);
    defaults.min_by_key(order).copied()
}

/// Several default classes, of which one counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Defaults<'a> {
    /// The one that counts.
    pub counts: &'a str,
    /// The others, by name.
    pub others: Vec<&'a str>,
}

impl<'a> Defaults<'a> {
    /// Those of these classes; `None` where there are not several.
    #[must_use]
    pub fn of(classes: &[Candidate<'a>]) -> Option<Self> {
        let counts = default(classes)?.name;
        let others = classes
            .iter()
            .filter(|it| it.is_default && it.name != counts);
        let mut others: Vec<&str> = others.map(|it| it.name).collect();
        others.sort_unstable();
        (!others.is_empty()).then_some(Self { counts, others })
    }

    /// What one of them says of it.
    #[must_use]
    pub fn told_by(&self, class: &str) -> Option<String> {
        let Self { counts, others } = self;
        if class != *counts && !others.contains(&class) {
            return None;
        }
        let others: Vec<&str> = others.iter().copied().take(5).collect();
        let others = others.join(", ");
        Some(if class == *counts {
            format!(
                "This class and {others} are all default classes, and this one counts, as the newest — remove the \
                 annotation ecr-operator.dev/is-default-class from all but one"
            )
        } else {
            format!(
                "Objects that name no class are not of this default class but of {counts}, which is newer — remove \
                 the annotation ecr-operator.dev/is-default-class from all but one"
            )
        })
    }
}

impl NoChoice<'_> {
    /// The refusal, where `others` are names of classes that the object might have meant.
    #[must_use]
    pub fn refusal<'b>(&self, others: impl IntoIterator<Item = &'b str>) -> Refusal {
        let (reason, message) = match self {
            NoChoice::NoClass => (
                Reason::NoClass,
                "This object names no class, and there is no default class — set spec.className \
                 (`kubectl get ecrclass` lists the classes), or have a class annotated \
                 ecr-operator.dev/is-default-class: \"true\""
                    .to_owned(),
            ),
            NoChoice::NotFound(name) => (
                Reason::ClassNotFound,
                match nearest(name, others) {
                    Some(near) => format!(
                        "There is no class {name:?}; did you mean {near}? — set spec.className to a class that \
                         exists, or have this one created"
                    ),
                    None => format!(
                        "There is no class {name:?} — set spec.className to a class that exists (`kubectl get \
                         ecrclass` lists them), or have this one created"
                    ),
                },
            ),
            NoChoice::Deleting(class) => (
                Reason::ClassNotReady,
                format!(
                    "Class {} is being deleted — set spec.className to another class of the same account and \
                     region; nothing is changed in ECR until then",
                    class.name
                ),
            ),
        };
        Refusal { reason, message }
    }
}
