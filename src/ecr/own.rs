//! The operator's own credentials: loaded anew where AWS refused those that are held, and no more often than may help.
//!
//! The SDK keeps them until their hour is over, also where they were revoked. All classes go by them, and loading them
//! asks whoever hands them out (under IRSA: `AssumeRoleWithWebIdentity`): a class whose own role is broken must
//! not have them loaded again and again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_config::{ConfigLoader, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ecr::config::SharedHttpClient;
use tokio::{sync::Mutex, time::Instant};

use super::{
    aws::ACCOUNT_RETRY,
    clients::CALL_TIMEOUT,
    error::{Error, OfOwn},
};
use crate::domain::failure::Class;

/// Where the operator's own credentials come from.
pub(super) type Chain = Box<dyn Fn() -> ConfigLoader + Send + Sync>;

/// The longest wait until credentials that do not help are loaded anew.
const LONGEST: Duration = Duration::from_mins(5);

/// The operator's own region and credentials.
pub(super) struct Own {
    chain: Chain,
    http: SharedHttpClient,
    held: Mutex<(SdkConfig, Loading)>,
    worked: Arc<AtomicBool>,
}

/// When credentials were loaded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Loading {
    number: u64,
    at: Instant,
    /// How often in a row they had to be loaded anew.
    anew: u32,
}

/// As whom a client calls AWS.
#[derive(Clone, Debug)]
pub(super) struct As {
    /// The loading of the operator's own credentials that it goes by.
    loading: u64,
    /// It assumes a role by them.
    role: bool,
    /// AWS has taken the operator's own credentials, or a role's by them, since the process began.
    worked: Arc<AtomicBool>,
}

impl Loading {
    /// Whether they are to be loaded anew: those that are held were refused, and the last time is long enough ago.
    fn is_due(&self, refused: Option<u64>, now: Instant) -> bool {
        let wait = ACCOUNT_RETRY.saturating_mul(2_u32.saturating_pow(self.anew));
        refused == Some(self.number) && now >= self.at + wait.min(LONGEST)
    }

    fn next(&self, now: Instant) -> Self {
        let helped = now >= self.at + LONGEST.saturating_mul(2);
        Self {
            number: self.number.saturating_add(1),
            at: now,
            anew: if helped {
                1
            } else {
                self.anew.saturating_add(1)
            },
        }
    }
}

impl Own {
    pub(super) async fn load(chain: Chain, http: SharedHttpClient) -> Self {
        let first = Loading {
            number: 0,
            at: Instant::now(),
            anew: 0,
        };
        let config = load(&chain, &http).await;
        Self {
            chain,
            http,
            held: Mutex::new((config, first)),
            worked: Arc::default(),
        }
    }

    /// What is held now; loaded anew where AWS refused it, once for all who were refused at the same time.
    pub(super) async fn held(&self, refused: Option<u64>, role: bool) -> (SdkConfig, As) {
        let mut held = self.held.lock().await;
        let (config, loading) = &mut *held;
        let now = Instant::now();
        if loading.is_due(refused, now) {
            *config = load(&self.chain, &self.http).await;
            *loading = loading.next(now);
        }
        let caller = As {
            loading: loading.number,
            role,
            worked: Arc::clone(&self.worked),
        };
        (config.clone(), caller)
    }
}

impl As {
    /// The loading of the operator's own credentials that an error speaks against, if it does.
    pub(super) fn refused(&self, error: &Error) -> Option<u64> {
        let own = !self.role || error.own != OfOwn::Nothing;
        (own && error.failure.class == Class::Credentials).then_some(self.loading)
    }

    /// AWS has answered, or not. That the instance does not hand out credentials heals where it did before.
    pub(super) fn judge<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        match answer {
            Err(error) if error.own == OfOwn::Unreachable && self.worked() => Err(error.heals()),
            Err(error) if error.code.is_none() || error.failure.class == Class::Credentials => {
                Err(error)
            }
            answer => {
                self.worked.store(true, Ordering::Relaxed);
                answer
            }
        }
    }

    fn worked(&self) -> bool {
        self.worked.load(Ordering::Relaxed)
    }
}

async fn load(chain: &Chain, http: &SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(CALL_TIMEOUT)
        .operation_attempt_timeout(CALL_TIMEOUT)
        .build();
    chain()
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(http.clone())
        .load()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_loaded_anew_where_it_was_refused_and_ever_more_seldom() {
        let began = Instant::now();
        let second = |n| began + Duration::from_secs(n);
        let mut loading = Loading {
            number: 0,
            at: began,
            anew: 0,
        };
        let mut loaded = Vec::new();
        for now in 0..1800 {
            assert!(!loading.is_due(None, second(now)));
            assert!(!loading.is_due(Some(loading.number + 1), second(now)));
            if loading.is_due(Some(loading.number), second(now)) {
                loading = loading.next(second(now));
                loaded.push(now);
            }
        }
        assert_eq!(
            loaded,
            [2, 6, 14, 30, 62, 126, 254, 510, 810, 1110, 1410, 1710]
        );
        // They served for an hour.
        let loading = loading.next(second(5400));
        assert!(loading.is_due(Some(loading.number), second(5404)));
    }
}
