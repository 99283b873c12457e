//! What a class says of repositories that exist already.

use crate::api::ClassAdoption;

/// What a class permits of adoption, and who may change that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdoptionLeave {
    class: String,
    permits: ClassAdoption,
}

impl AdoptionLeave {
    pub(super) fn of(class: &str, permits: ClassAdoption) -> Self {
        Self {
            class: class.to_owned(),
            permits,
        }
    }

    /// What to tell where a repository of this name exists and nobody owns it: what the class permits stands in
    /// it from the first, because whoever follows a cure must not be refused by the next.
    #[must_use]
    pub fn already_exists(&self) -> String {
        let Self { class, permits } = self;
        let other = "or choose another spec.repositoryName; nothing was changed";
        match permits {
            ClassAdoption::Forbidden => format!(
                "A repository of this name exists without an owner, and class {class} does not allow adoption — \
                 have an administrator of the cluster set adoption: IfUnowned on class {class}, then set \
                 spec.adoption.policy to IfUnowned; {other}"
            ),
            ClassAdoption::IfUnowned | ClassAdoption::TakeOver => format!(
                "A repository of this name exists without an owner — set spec.adoption.policy to IfUnowned to \
                 manage it, which class {class} allows, {other}"
            ),
        }
    }

    /// What to do to take a repository over from another owner, as the class permits it.
    #[must_use]
    pub fn take_over(&self) -> String {
        let Self { class, permits } = self;
        match permits {
            ClassAdoption::TakeOver => format!(
                "take it over with spec.adoption (TakeOver, naming its owner), which class {class} allows"
            ),
            ClassAdoption::Forbidden | ClassAdoption::IfUnowned => format!(
                "have an administrator of the cluster set adoption: TakeOver on class {class}, then take it over \
                 with spec.adoption (TakeOver, naming its owner)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_first_does_not_lead_into_a_refusal() {
        use ClassAdoption::{Forbidden, IfUnowned, TakeOver};
        for (permits, unowned, owned) in [
            (
                Forbidden,
                "class prod does not allow adoption",
                "have an administrator",
            ),
            (
                IfUnowned,
                "which class prod allows",
                "have an administrator",
            ),
            (
                TakeOver,
                "which class prod allows",
                "which class prod allows",
            ),
        ] {
            let leave = AdoptionLeave::of("prod", permits);
            assert!(leave.already_exists().contains(unowned), "{permits:?}");
            assert!(leave.take_over().contains(owned), "{permits:?}");
            let begins: String = leave.already_exists().chars().take(100).collect();
            assert!(begins.contains("exists without an owner"), "{begins}");
        }
    }
}
