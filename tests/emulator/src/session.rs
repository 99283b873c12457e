//! Temporary credentials: whom STS made of whom.

use std::collections::BTreeMap;

use crate::caller::Caller;
use crate::error::Error;

/// Credentials that STS has handed out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    pub(crate) account: String,
    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    pub(crate) arn: String,
    /// `AROA…:<session>`.
    pub(crate) user_id: String,
    pub(crate) token: String,
    /// In seconds since 1970.
    pub(crate) expires: f64,
}

/// The sessions by access key id.
pub(crate) type Sessions = BTreeMap<String, Session>;

/// Gives a caller the account and the identity that its credentials stand for.
pub(crate) fn recognize(sessions: &Sessions, caller: &mut Caller) {
    if let Some(session) = sessions.get(&caller.access_key) {
        caller.account.clone_from(&session.account);
        caller.session = Some(session.clone());
    }
}

/// Refuses a session that is over, or whose token does not come along.
pub(crate) fn check(caller: &Caller, now: f64) -> Result<(), Error> {
    match &caller.session {
        Some(session) if session.token != caller.token => Err(Error::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )),
        Some(session) if session.expires <= now => Err(Error::new(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        )),
        _ => Ok(()),
    }
}
