//! How each reason shows. A new reason does not compile until it is decided here; the pages of the kinds
//! must say the same.

use std::{fs, path::Path};

use ecr_operator::domain::reason::Reason;

/// What stands beside a reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shown {
    /// `Stalled`: a person is needed.
    Stalled,
    /// `Reconciling`: it goes on by itself.
    Reconciling,
    /// Neither; states with it are made by name.
    Otherwise,
}

/// Of an ECRRepository.
pub(crate) const fn of_repository(reason: Reason) -> &'static [Shown] {
    use Shown::{Otherwise, Reconciling, Stalled};
    match reason {
        Reason::Synced
        | Reason::Accepted
        | Reason::Observed
        | Reason::Suspended
        | Reason::OverriddenByClass => &[Otherwise],
        Reason::Progressing
        | Reason::Adopting
        | Reason::PolicyNotYetAccepted
        | Reason::Throttled
        | Reason::AwsUnavailable
        | Reason::Outdated => &[Reconciling],
        Reason::AccessDenied => &[Reconciling, Stalled],
        Reason::InvalidSpec
        | Reason::TooLarge
        | Reason::RejectedByAws
        | Reason::InvalidPolicy
        | Reason::WrongAccount
        | Reason::LimitExceeded
        | Reason::KmsKeyUnusable
        | Reason::AlreadyExists
        | Reason::OwnerTagMissing
        | Reason::NameConflict
        | Reason::TwoClusters
        | Reason::IdentityChanged
        | Reason::ImmutableField
        | Reason::DriftFight
        | Reason::StoredDiffers
        | Reason::ManyRepositoriesLost
        | Reason::RepositoryNotEmpty
        | Reason::NotPermitted
        | Reason::NoClass
        | Reason::ClassNotFound
        | Reason::ClassNotReady
        | Reason::LifecycleNeedsApproval => &[Stalled],
        // An Event alone, or of a class alone.
        Reason::RepositoryLost | Reason::Ready | Reason::InUse | Reason::SeveralDefaultClasses => {
            &[]
        }
    }
}

/// What the pages say in the column "shown with", for every reason but those of the class itself.
#[test]
fn the_pages_say_how_each_reason_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["docs/ecrrepository.md", "docs/ecrrepositoryclass.md"]
        .map(|page| fs::read_to_string(root.join(page)).unwrap());
    let pages = pages.concat();
    for &reason in Reason::ALL {
        let of_class = [Reason::Ready, Reason::InUse, Reason::SeveralDefaultClasses];
        if of_class.contains(&reason) {
            continue;
        }
        let start = format!("| `{reason}` |");
        let row = pages.lines().find_map(|line| line.strip_prefix(&start));
        let column = row
            .and_then(|row| row.split('|').next())
            .unwrap_or_default();
        for (shown, word) in [
            (Shown::Stalled, "Stalled"),
            (Shown::Reconciling, "Reconciling"),
        ] {
            assert_eq!(
                column.contains(word),
                of_repository(reason).contains(&shown),
                "{reason} is shown with{column}: is it {word}?"
            );
        }
    }
}
