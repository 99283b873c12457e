//! Who is who: clusters, owners, and the one place in AWS that an object is bound to.
//!
//! Every type here is built by its `parse` alone, so that a value that exists is a legal one.

use std::fmt;

use crate::api::OWNER_TAG;

/// What a name lacks; tells its reader what is allowed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("use {allowed}: {value:?} is not one")]
pub struct InvalidName {
    /// What was given.
    pub value: String,
    /// What would be legal.
    pub allowed: &'static str,
}

fn checked(
    value: &str,
    legal: impl FnOnce(&str) -> bool,
    allowed: &'static str,
) -> Result<String, InvalidName> {
    let value = value.to_owned();
    if legal(&value) {
        Ok(value)
    } else {
        Err(InvalidName { value, allowed })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $legal:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(String);

        impl $name {
            /// Parses the text.
            ///
            /// # Errors
            /// Says what is allowed.
            pub fn parse(value: &str) -> Result<Self, InvalidName> {
                checked(value, $legal, $allowed).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name that a cluster goes by in owner tags (`--cluster-name`).
    ClusterName,
    |v| (1..=63).contains(&v.len())
        && v.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')),
    "1 to 63 of a-z, 0-9, '.' and '-'"
);

name!(
    /// The uid of namespace kube-system, which tells two clusters with one name apart.
    ClusterUid,
    |v| !v.is_empty() && v.len() <= 256,
    "the uid of namespace kube-system"
);

name!(
    /// An AWS account's id, which is its private registry's id.
    RegistryId,
    |v| v.len() == 12 && v.bytes().all(|b| b.is_ascii_digit()),
    "an AWS account id, 12 digits"
);

name!(
    /// An AWS region's code.
    Region,
    |v| (2..=32).contains(&v.len())
        && v.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')),
    "an AWS region such as ap-southeast-1"
);

name!(
    /// A repository's name, as the `RepositoryName` shape of ECR's API takes it.
    RepositoryName,
    |v| (2..=256).contains(&v.len()) && v.split('/').all(is_path_component),
    "2 to 256 characters: lower case letters and digits, separated by one of '.', '_', '__', \
     dashes or '/'"
);

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bounded = component.starts_with(alphanumeric) && component.ends_with(alphanumeric);
    let separators = component.split(alphanumeric).filter(|s| !s.is_empty());
    bounded
        && separators
            .into_iter()
            .all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

/// The object that a repository belongs to: the value of the owner tag.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Owner {
    /// The cluster that the object lives in.
    pub cluster: ClusterName,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl Owner {
    /// The key of the tag.
    pub const TAG: &'static str = OWNER_TAG;

    /// Reads an owner tag; `None` where the tag is not of our shape.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let mut parts = tag.split('/');
        let owner = Self {
            cluster: ClusterName::parse(parts.next()?).ok()?,
            namespace: parts.next().filter(|p| !p.is_empty())?.to_owned(),
            name: parts.next().filter(|p| !p.is_empty())?.to_owned(),
        };
        parts.next().is_none().then_some(owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.namespace, self.name)
    }
}

/// One account's registry in one region.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Registry {
    /// The account.
    pub id: RegistryId,
    /// The region.
    pub region: Region,
}

impl Registry {
    /// What the ARN of each of its repositories has before the name.
    #[must_use]
    pub fn arn_prefix(&self) -> String {
        let Self { id, region } = self;
        let partition = partition(region);
        format!("arn:{partition}:ecr:{region}:{id}:repository/")
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.region)
    }
}

/// The one place in AWS that an object stands for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Identity {
    /// The account and region.
    pub registry: Registry,
    /// The repository's name there.
    pub name: RepositoryName,
}

impl Identity {
    /// The repository's ARN. It is derived, never read from a status that a tenant may forge.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("{}{}", self.registry.arn_prefix(), self.name)
    }
}

/// The AWS partition of a region (AWS General Reference, "Amazon Resource Names").
pub(super) fn partition(region: &Region) -> &'static str {
    match region.as_str() {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        r if r.starts_with("us-iso-") => "aws-iso",
        r if r.starts_with("us-isob-") => "aws-iso-b",
        r if r.starts_with("us-isof-") => "aws-iso-f",
        r if r.starts_with("eu-isoe-") => "aws-iso-e",
        r if r.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Registry { id, region } = &self.registry;
        write!(f, "{} in account {id}, region {region}", self.name)
    }
}

/// What status remembers of the binding: the identity, and whether the repository was ever ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The place that was bound.
    pub identity: Identity,
    /// Whether `status.arn` is set: the repository was created or adopted.
    pub established: bool,
}

/// How the identity that the spec asks for stands to the one that is bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bound {
    /// Nothing was bound yet: bind, then write.
    Unbound(Identity),
    /// The binding holds.
    Holds(Identity),
    /// The name was corrected before the repository was ours. The new one may be bound once a
    /// read proves that the old one is not ours.
    Corrected {
        /// The name that was bound.
        old: Identity,
        /// The name that is asked for now.
        new: Identity,
    },
    /// The spec, the account or the region no longer leads to the binding.
    Changed {
        /// The place that is bound.
        bound: Identity,
        /// The place that is asked for now.
        derived: Identity,
    },
}

/// Holds the derived identity against the bound one.
#[must_use]
pub fn bind(derived: Identity, binding: Option<&Binding>) -> Bound {
    match binding {
        None => Bound::Unbound(derived),
        Some(Binding { identity, .. }) if *identity == derived => Bound::Holds(derived),
        Some(Binding {
            identity,
            established: false,
        }) if identity.registry == derived.registry => Bound::Corrected {
            old: identity.clone(),
            new: derived,
        },
        Some(Binding { identity, .. }) => Bound::Changed {
            bound: identity.clone(),
            derived,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_are_those_of_ecr() {
        for legal in [
            "ab",
            "a1/b2",
            "a__b",
            "a--b/c.d",
            "0a",
            "nashtech-devops-ecr-mgmt",
        ] {
            assert!(RepositoryName::parse(legal).is_ok(), "{legal}");
        }
        let long = "a".repeat(257);
        for illegal in [
            "", "a", "A1", "a___b", "a..b", "a_-b", "-a", "a-", "a//b", "/a", "a/", "é1", &long,
        ] {
            assert!(RepositoryName::parse(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn owners_survive_their_tag() {
        let owner = Owner::parse("prod.eu-1/payments/api").unwrap();
        assert_eq!(owner.to_string(), "prod.eu-1/payments/api");
        for foreign in [
            "",
            "terraform",
            "a/b",
            "a/b/c/d",
            "A/b/c",
            "a//c",
            "/b/c",
            "a/b/",
        ] {
            assert_eq!(Owner::parse(foreign), None, "{foreign}");
        }
    }

    fn at(account: &str, name: &str) -> Identity {
        Identity {
            registry: Registry {
                id: RegistryId::parse(account).unwrap(),
                region: Region::parse("cn-north-1").unwrap(),
            },
            name: RepositoryName::parse(name).unwrap(),
        }
    }

    #[test]
    fn the_binding_decides() {
        let (a, b, elsewhere) = (
            at("111111111111", "aa"),
            at("111111111111", "bb"),
            at("222222222222", "aa"),
        );
        let bound = |identity: &Identity, established| Binding {
            identity: identity.clone(),
            established,
        };
        assert_eq!(bind(a.clone(), None), Bound::Unbound(a.clone()));
        for established in [false, true] {
            assert_eq!(
                bind(a.clone(), Some(&bound(&a, established))),
                Bound::Holds(a.clone())
            );
            assert_eq!(
                bind(elsewhere.clone(), Some(&bound(&a, established))),
                Bound::Changed {
                    bound: a.clone(),
                    derived: elsewhere.clone()
                }
            );
        }
        assert_eq!(
            bind(b.clone(), Some(&bound(&a, false))),
            Bound::Corrected {
                old: a.clone(),
                new: b.clone()
            }
        );
        assert_eq!(
            bind(b.clone(), Some(&bound(&a, true))),
            Bound::Changed {
                bound: a,
                derived: b
            }
        );
    }

    #[test]
    fn arns_name_their_partition() {
        assert_eq!(
            at("111111111111", "a/b").arn(),
            "arn:aws-cn:ecr:cn-north-1:111111111111:repository/a/b"
        );
    }
}
