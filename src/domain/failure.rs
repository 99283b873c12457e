//! What went wrong, by what is to be done about it. One `Class` decides retry, reason and label.

use std::{fmt, time::Duration};

use super::{reason::Reason, status::fit};

/// The kinds of failures, by their cure.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// AWS asked to slow down.
    Throttled,
    /// No answer, a fault of AWS, or an answer that can't be read.
    Unavailable,
    /// AWS answers, and what it shows is not settled yet: the operator waits by itself.
    Unsettled,
    /// The credentials are missing, expired or revoked.
    Credentials,
    /// The credentials belong to another account than the class declares.
    WrongAccount,
    /// A permission is missing.
    Denied,
    /// AWS says that the input is wrong.
    Invalid,
    /// AWS refuses a repository policy, as it does while a principal is very new.
    PolicyRefused,
    /// A quota is used up.
    Limit,
    /// The KMS key can't be used.
    Kms,
    /// The repository is not there.
    Gone,
    /// The repository is there already.
    Exists,
    /// The repository still holds images.
    NotEmpty,
    /// AWS took a document and keeps another one.
    Altered,
    /// AWS was not asked: this process no longer leads, and ends.
    NotLeading,
}

/// How a failure is tried again: with back-off, and after a while with a person's help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// How long it may heal by itself before a person is asked; `None`: for ever.
    pub patience: Option<Duration>,
    /// The pace from then on.
    pub then: Pace,
}

/// How often something is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// With back-off, up to every five minutes.
    BackOff,
    /// At the stalled-retry interval: the cure may come from elsewhere.
    Rest,
    /// When policies are read again: each write would end alike.
    Rota,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Class {
    /// How it is tried again.
    #[must_use]
    pub const fn retry(self) -> Retry {
        let (patience, then) = match self {
            Self::Throttled
            | Self::Unavailable
            | Self::Unsettled
            | Self::Gone
            | Self::NotLeading => (None, Pace::BackOff),
            Self::Credentials | Self::Denied => (Some(MINUTE.saturating_mul(5)), Pace::BackOff),
            // IAM is eventually consistent (IAM User Guide, "Changes that I make are not always
            // immediately visible"): a new principal is unknown to ECR for a while.
            Self::PolicyRefused => (Some(MINUTE.saturating_mul(10)), Pace::Rest),
            // The cure of both comes from elsewhere and unannounced.
            Self::NotEmpty | Self::WrongAccount => (Some(Duration::ZERO), Pace::BackOff),
            Self::Altered => (Some(Duration::ZERO), Pace::Rota),
            Self::Invalid | Self::Limit | Self::Kms | Self::Exists => {
                (Some(Duration::ZERO), Pace::Rest)
            }
        };
        Retry { patience, then }
    }

    /// The reason that conditions carry; `stalled` once a person is asked.
    #[must_use]
    pub const fn reason(self, stalled: bool) -> Reason {
        match (self, stalled) {
            (Self::Throttled, _) => Reason::Throttled,
            (Self::Unavailable, _) => Reason::AwsUnavailable,
            (Self::Credentials | Self::Denied, _) => Reason::AccessDenied,
            (Self::WrongAccount, _) => Reason::WrongAccount,
            (Self::Invalid, _) => Reason::RejectedByAws,
            (Self::PolicyRefused, false) => Reason::PolicyNotYetAccepted,
            (Self::PolicyRefused, true) => Reason::InvalidPolicy,
            (Self::Limit, _) => Reason::LimitExceeded,
            (Self::Kms, _) => Reason::KmsKeyUnusable,
            (Self::Unsettled | Self::Gone | Self::NotLeading, _) => Reason::Progressing,
            (Self::Exists, _) => Reason::AlreadyExists,
            (Self::NotEmpty, _) => Reason::RepositoryNotEmpty,
            (Self::Altered, _) => Reason::StoredDiffers,
        }
    }

    /// Whether the next call would fail alike, whatever it is: there is no use in making it.
    #[must_use]
    pub const fn ends_the_pass(self) -> bool {
        match self {
            Self::Unavailable
            | Self::Unsettled
            | Self::Credentials
            | Self::WrongAccount
            | Self::Gone
            | Self::NotLeading => true,
            Self::Throttled
            | Self::Denied
            | Self::Invalid
            | Self::PolicyRefused
            | Self::Limit
            | Self::Kms
            | Self::Exists
            | Self::NotEmpty
            | Self::Altered => false,
        }
    }

    /// What to do about it, after what happened.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Throttled => "nothing to do: AWS throttles this operation, and it is tried again",
            Self::Unavailable => {
                "nothing to do: AWS can't be reached, and it is tried again; check the network and \
                 AWS_ENDPOINT_URL if it lasts"
            }
            Self::Unsettled => "nothing to do: it is looked at again in a moment",
            Self::Credentials => {
                "check the operator's credentials and region (IRSA, EKS Pod Identity or environment) and \
                 the node's clock"
            }
            Self::WrongAccount => {
                "correct spec.assumeRole or spec.registry.accountId of the class: the credentials are \
                 not those of its account"
            }
            Self::Denied => "allow the operator's role this action (deploy/iam)",
            Self::Invalid => "correct the value that AWS names",
            Self::PolicyRefused => {
                "check that every principal exists and every action is ECR's: AWS refused the \
                 repository policy"
            }
            Self::Limit => "ask AWS for a higher quota or remove what is unused",
            Self::Kms => "check the KMS key, its state and its grants",
            Self::Gone => "nothing to do: the repository was not found, and it is looked up again",
            Self::Exists => "set spec.adoption or choose another name: the repository exists",
            Self::NotEmpty => {
                "delete the images, or set spec.deletionPolicy to Retain (the repository stays) \
                 or DeleteWithImages (the images go too)"
            }
            Self::Altered => {
                "write the policy as AWS keeps it, or remove what it replaces: it is written again \
                 each time that policies are looked at"
            }
            Self::NotLeading => {
                "nothing to do: this replica does not lead, and another one goes on"
            }
        }
    }

    /// The value of the metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unsettled => "unsettled",
            Self::Credentials => "credentials",
            Self::WrongAccount => "wrong_account",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::PolicyRefused => "policy_refused",
            Self::Limit => "limit",
            Self::Kms => "kms",
            Self::Gone => "gone",
            Self::Exists => "exists",
            Self::NotEmpty => "not_empty",
            Self::Altered => "altered",
            Self::NotLeading => "not_leading",
        }
    }
}

/// What stands between what happened and what to do about it.
const CURE: &str = " — ";

/// How much of what happened is told: what to do about it must fit as well.
const LONGEST_SAID: usize = 640;

/// A call that failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Failure {
    /// Its kind.
    pub class: Class,
    /// What AWS said, without anything that differs from one call to the next. Where it has a cure of its own,
    /// as a clock that goes wrong has, that stands behind a dash.
    pub said: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.said.len() > LONGEST_SAID {
            return write!(
                f,
                "{}…{CURE}{}",
                fit(&self.said, LONGEST_SAID),
                self.class.advice()
            );
        }
        f.write_str(&self.said)?;
        if self.said.contains(CURE) {
            return Ok(());
        }
        write!(f, "{CURE}{}", self.class.advice())
    }
}

impl Failure {
    /// No answer, or none that makes sense: it heals by itself.
    #[must_use]
    pub fn unavailable(said: impl Into<String>) -> Self {
        Self {
            class: Class::Unavailable,
            said: said.into(),
        }
    }

    /// What AWS shows is not settled yet: nothing is wrong, and nobody has to do anything.
    #[must_use]
    pub fn unsettled(said: impl Into<String>) -> Self {
        Self {
            class: Class::Unsettled,
            said: said.into(),
        }
    }
}
