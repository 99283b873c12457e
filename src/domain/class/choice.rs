//! Which class counts for an object.

use crate::domain::desired::Refusal;
use crate::domain::reason::Reason;

/// A class, as far as the choice looks at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its annotation makes it the default.
    pub is_default: bool,
    /// Whether its deletion has begun.
    pub deleting: bool,
    /// Its uid: one that was made anew under the same name is another.
    pub uid: &'a str,
}

/// Why no class counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoChoice<'a> {
    /// None is named, and none is the default.
    NoClass,
    /// None is named, and several are the default.
    AmbiguousDefaultClass(Vec<&'a str>),
    /// The one that is named does not exist.
    NotFound(&'a str),
    /// It is being deleted: nothing new begins under it. What ends may still end by it.
    Deleting(Candidate<'a>),
}

/// Chooses the class that is named, or else the one default class. A default class that is being
/// deleted counts where there is no other.
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
        None => default(classes)?,
    };
    if chosen.deleting {
        return Err(NoChoice::Deleting(chosen));
    }
    Ok(chosen)
}

fn default<'a>(classes: &[Candidate<'a>]) -> Result<Candidate<'a>, NoChoice<'a>> {
    let defaults = classes.iter().filter(|class| class.is_default);
    let (leaving, staying): (Vec<_>, Vec<_>) =
        defaults.partition::<Vec<&Candidate<'a>>, _>(|class| class.deleting);
    let counting = if staying.is_empty() { leaving } else { staying };
    match counting.as_slice() {
        [] => Err(NoChoice::NoClass),
        [only] => Ok(**only),
        several => {
            let mut names: Vec<&str> = several.iter().map(|class| class.name).collect();
            names.sort_unstable();
            Err(NoChoice::AmbiguousDefaultClass(names))
        }
    }
}

impl From<NoChoice<'_>> for Refusal {
    fn from(why: NoChoice<'_>) -> Self {
        let (reason, message) = match why {
            NoChoice::NoClass => (
                Reason::NoClass,
                "Set spec.className (`kubectl get ecrclass` lists the classes), or have a class \
                 annotated ecr-operator.dev/is-default-class: \"true\": there is no default class"
                    .to_owned(),
            ),
            NoChoice::AmbiguousDefaultClass(names) => (
                Reason::AmbiguousDefaultClass,
                format!(
                    "Set spec.className, or have all but one of the annotations \
                     ecr-operator.dev/is-default-class removed: the default classes are {}",
                    names.into_iter().take(5).collect::<Vec<_>>().join(", ")
                ),
            ),
            NoChoice::NotFound(name) => (
                Reason::ClassNotFound,
                format!(
                    "Set spec.className to a class that exists (`kubectl get ecrclass` lists \
                     them), or have it created: there is no class {name:?}"
                ),
            ),
            NoChoice::Deleting(class) => (
                Reason::ClassNotReady,
                format!(
                    "Set spec.className to another class of the same account and region: class \
                     {:?} is being deleted. Nothing is changed in ECR until then",
                    class.name
                ),
            ),
        };
        Self { reason, message }
    }
}
