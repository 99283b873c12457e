//! Who calls: read from the `SigV4` `Authorization` header. The signature is not checked, because a
//! caller on the loopback has nothing to prove; what the header must say is checked as AWS does.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::error::Error;
use crate::partition::Partition;
use crate::session::{self, Session};
use crate::settings::Settings;

/// The account of every access key id that is not an account id itself.
const DEFAULT_ACCOUNT: &str = "123456789012";

/// The caller of an operation.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) access_key: String,
    /// The session token that came along.
    pub(crate) token: String,
    /// Whose role the credentials are, if STS handed them out.
    pub(crate) session: Option<Session>,
}

impl Caller {
    /// Reads the header `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request,
    /// SignedHeaders=…, Signature=…`.
    ///
    /// The JSON services of AWS answer 400 for all of these where the query services answer 403:
    /// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html>.
    pub(crate) fn read(headers: &HeaderMap, service: &str) -> Result<Self, Error> {
        let header = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            // What another scheme says is not looked at.
            .filter(|value| value.starts_with("AWS4-"))
            .ok_or_else(|| {
                Error::new(
                    "MissingAuthenticationTokenException",
                    "Missing Authentication Token",
                )
            })?;
        let (algorithm, parameters) = header.split_once(' ').unwrap_or((header, ""));
        let [credential, ..] = complete(header, parameters)?;
        if algorithm != "AWS4-HMAC-SHA256" {
            return Err(Error::new(
                "IncompleteSignatureException",
                format!(
                    "Unsupported AWS 'algorithm': '{algorithm}' (only AWS4-HMAC-SHA256 for now). "
                ),
            ));
        }
        let token = headers.get("x-amz-security-token");
        let token = token.and_then(|token| token.to_str().ok());
        Ok(Self {
            token: token.unwrap_or_default().to_owned(),
            ..Self::from_credential(credential, service)?
        })
    }

    fn from_credential(credential: &str, service: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [key, date, region, scope_service, "aws4_request"] = parts.as_slice() else {
            return Err(Error::new(
                "IncompleteSignatureException",
                format!(
                    "Credential must have exactly 5 slash-delimited elements, e.g. \
                     keyid/date/region/service/term, got '{credential}'"
                ),
            ));
        };
        if key.is_empty() || region.is_empty() || date.len() != 8 {
            return Err(Error::new(
                "IncompleteSignatureException",
                format!("The credential scope '{credential}' lacks a key, a date or a region"),
            ));
        }
        if *scope_service != service {
            return Err(Error::new(
                "InvalidSignatureException",
                format!("Credential should be scoped to correct service: '{service}'. "),
            ));
        }
        Ok(Self {
            account: account_of(key).to_owned(),
            region: (*region).to_owned(),
            access_key: (*key).to_owned(),
            token: String::new(),
            session: None,
        })
    }

    /// Refuses credentials that AWS does not know or that have run out.
    pub(crate) fn check(&self, settings: &Settings, now: f64) -> Result<(), Error> {
        if self.access_key.starts_with("ASIAEXPIRED") {
            return Err(Error::new(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ));
        }
        if settings.revoked_access_keys.contains(&self.access_key) {
            return Err(Error::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        }
        session::check(self, now)
    }

    /// Somebody in an account, whose access key it has.
    pub(crate) fn of(account: String, region: String) -> Self {
        Self {
            access_key: account.clone(),
            account,
            region,
            token: String::new(),
            session: None,
        }
    }

    /// The caller's identity: one user in every account, or the role that was assumed.
    pub(crate) fn arn(&self) -> String {
        if let Some(session) = &self.session {
            return session.arn.clone();
        }
        let partition = Partition::of(&self.region).id;
        format!("arn:{partition}:iam::{}:user/emulator", self.account)
    }
}

/// Twelve digits are the account itself, so that a test chooses its account by its access key.
fn account_of(access_key: &str) -> &str {
    if is_account(access_key) {
        access_key
    } else {
        DEFAULT_ACCOUNT
    }
}

/// Whether a text is an account id.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the header has to say; what it lacks is said all at once.
fn complete<'a>(header: &str, parameters: &'a str) -> Result<[&'a str; 3], Error> {
    let names = ["Credential", "Signature", "SignedHeaders"];
    let found = names.map(|name| {
        parameters
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
    });
    if let [Some(credential), Some(signature), Some(signed)] = found {
        return Ok([credential, signature, signed]);
    }
    let missing: Vec<String> = names
        .iter()
        .zip(found)
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| format!("Authorization header requires '{name}' parameter. "))
        .collect();
    Err(Error::new(
        "IncompleteSignatureException",
        format!("{}Authorization={header}", missing.concat()),
    ))
}
