//! STS, as far as ECR's clients need it.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::text;
use crate::caller::{Caller, is_account};
use crate::clock::in_iso;
use crate::error::Error;
use crate::session::{Session, Sessions};
use crate::settings::Settings;
use crate::shape::matches;
use crate::state::{sha256_hex, uuid};

/// The version of the API that the SDKs name.
pub(crate) const VERSION: &str = "2011-06-15";

/// What an action works on.
pub(crate) struct Sts<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) now: f64,
    /// Different in every call: seeds credentials.
    pub(crate) serial: u64,
    pub(crate) settings: &'a Settings,
    pub(crate) sessions: &'a mut Sessions,
}

/// The members of an action's answer.
pub(crate) fn call(sts: &mut Sts<'_>, action: &str, input: &Value) -> Result<Value, Error> {
    match action {
        "GetCallerIdentity" => Ok(caller_identity(sts.caller)),
        "AssumeRole" => assume_role(sts, input),
        "AssumeRoleWithWebIdentity" => assume_with_identity(sts, input),
        _ => Err(Error::new(
            "InvalidAction",
            format!("Could not find operation {action} for version {VERSION}"),
        )),
    }
}

/// One user in every account, unless the credentials are those of a role.
fn caller_identity(caller: &Caller) -> Value {
    let user_id = match &caller.session {
        Some(session) => session.user_id.clone(),
        None => unique_id("AIDA", &caller.account),
    };
    json!({ "Account": caller.account, "Arn": caller.arn(), "UserId": user_id })
}

fn unique_id(prefix: &str, of: &str) -> String {
    let id = uuid(of).replace('-', "").to_uppercase();
    format!("{prefix}{}", id.get(..17).unwrap_or(&id))
}

/// Every role of every account exists and trusts every caller, unless the settings say otherwise.
fn assume_role(sts: &mut Sts<'_>, input: &Value) -> Result<Value, Error> {
    let role = Role::read(input)?;
    check(input, "ExternalId", (2, 1224), r"[\w+=,.@:/-]*", false)?;
    let chained = sts.caller.session.is_some();
    let duration = duration(input, chained)?;
    let wanted = sts.settings.role_external_ids.get(role.arn);
    let known = wanted.is_none_or(|wanted| wanted == text(input, "ExternalId"));
    if !known || sts.settings.denied_roles.contains(role.arn) {
        let (who, role) = (sts.caller.arn(), role.arn);
        // In these words, other than ECR's, STS refuses.
        let message =
            format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {role}");
        return Err(Error::new("AccessDenied", message).with_status(403));
    }
    Ok(hand_out(sts, &role, duration))
}

/// No credentials are needed; the token must be a JWT, whose signature is not checked.
fn assume_with_identity(sts: &mut Sts<'_>, input: &Value) -> Result<Value, Error> {
    let role = Role::read(input)?;
    check(input, "WebIdentityToken", (4, 20_000), "[^\0]*", true)?;
    let duration = duration(input, false)?;
    let claims = claims(text(input, "WebIdentityToken"))?;
    let end = claims.get("exp").and_then(Value::as_f64);
    if let Some(end) = end.filter(|end| *end <= sts.now) {
        let message = format!(
            "Token expired: current date/time {} must be before the expiration date/time {}",
            in_iso(sts.now),
            in_iso(end)
        );
        return Err(Error::new("ExpiredTokenException", message));
    }
    if sts.settings.denied_roles.contains(role.arn) {
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(Error::new("AccessDenied", message).with_status(403));
    }
    let audience = claims.get("aud").and_then(|aud| aud.get(0).or(Some(aud)));
    let mut answer = hand_out(sts, &role, duration);
    if let Some(members) = answer.as_object_mut() {
        let known = [
            ("SubjectFromWebIdentityToken", claims.get("sub")),
            ("Audience", audience),
            ("Provider", claims.get("iss")),
        ];
        let known = known.into_iter();
        members.extend(known.filter_map(|(name, value)| Some((name.into(), value?.clone()))));
    }
    Ok(answer)
}

/// What a JWT says.
fn claims(token: &str) -> Result<Value, Error> {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = match parts.as_slice() {
        [_, payload, _] => URL_SAFE_NO_PAD.decode(payload).ok(),
        _ => None,
    };
    payload
        .and_then(|payload| serde_json::from_slice::<Value>(&payload).ok())
        .filter(|claims| claims.get("iss").is_some() && claims.get("sub").is_some())
        .ok_or_else(|| {
            let message = "The ID Token provided is not a valid JWT. (You may see this error if \
                           you sent an Access Token)";
            Error::new("InvalidIdentityToken", message)
        })
}

/// The role that is assumed, and the name of the session.
struct Role<'a> {
    arn: &'a str,
    partition: &'a str,
    account: &'a str,
    name: &'a str,
    session: &'a str,
}

impl<'a> Role<'a> {
    fn read(input: &'a Value) -> Result<Self, Error> {
        check(input, "RoleArn", (20, 2048), "[^\0]*", true)?;
        check(input, "RoleSessionName", (2, 64), r"[\w+=,.@-]*", true)?;
        let (arn, session) = (text(input, "RoleArn"), text(input, "RoleSessionName"));
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        if let ["arn", partition, "iam", "", account, resource] = parts.as_slice()
            && let Some(path) = resource.strip_prefix("role/")
            && let Some(name) = path.rsplit('/').next().filter(|name| !name.is_empty())
            && is_account(account)
        {
            return Ok(Self {
                arn,
                partition,
                account,
                name,
                session,
            });
        }
        Err(Error::new("ValidationError", format!("{arn} is invalid")))
    }
}

/// A role may allow up to 12 hours; one that is assumed by a role gives one.
fn duration(input: &Value, chained: bool) -> Result<f64, Error> {
    let given = match text(input, "DurationSeconds") {
        "" => return Ok(3600.0),
        given => given,
    };
    match given.parse::<u32>() {
        Ok(3601..) if chained => Err(Error::new(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining",
        )),
        Ok(seconds @ 900..=43_200) => Ok(f64::from(seconds)),
        Ok(0..900) => Err(refusal(
            "DurationSeconds",
            given,
            "value greater than or equal to 900",
        )),
        _ => Err(refusal(
            "DurationSeconds",
            given,
            "value less than or equal to 43200",
        )),
    }
}

fn check(
    input: &Value,
    name: &str,
    (min, max): (usize, usize),
    pattern: &'static str,
    required: bool,
) -> Result<(), Error> {
    let Some(value) = input.get(name).and_then(Value::as_str) else {
        let missing = refusal(name, "null", "not be null");
        return if required { Err(missing) } else { Ok(()) };
    };
    let length = value.chars().count();
    if length < min {
        return Err(refusal(
            name,
            value,
            &format!("length greater than or equal to {min}"),
        ));
    }
    if length > max {
        return Err(refusal(
            name,
            value,
            &format!("length less than or equal to {max}"),
        ));
    }
    if !matches(pattern, value)? {
        let constraint = format!("satisfy regular expression pattern: {pattern}");
        return Err(refusal(name, value, &constraint));
    }
    Ok(())
}

/// The words of the query services.
fn refusal(name: &str, value: &str, constraint: &str) -> Error {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let name: String = first.into_iter().chain(letters).collect();
    let verb = if constraint.starts_with(['l', 'v']) {
        "have "
    } else {
        ""
    };
    let message = format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: \
         Member must {verb}{constraint}"
    );
    Error::new("ValidationError", message)
}

fn hand_out(sts: &mut Sts<'_>, role: &Role<'_>, duration: f64) -> Value {
    let seed = sha256_hex(format!("session {} {}", sts.serial, role.arn).as_bytes());
    let key = format!("ASIA{}", seed.get(..16).unwrap_or_default().to_uppercase());
    let arn = format!(
        "arn:{}:sts::{}:assumed-role/{}/{}",
        role.partition, role.account, role.name, role.session
    );
    let session = Session {
        account: role.account.to_owned(),
        user_id: format!("{}:{}", unique_id("AROA", role.arn), role.session),
        arn,
        token: format!("FwoGZXIvYXdzE{seed}"),
        expires: sts.now + duration,
    };
    let answer = json!({
        "AssumedRoleUser": { "Arn": session.arn, "AssumedRoleId": session.user_id },
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": sha256_hex(seed.as_bytes()),
            "SessionToken": session.token,
            "Expiration": in_iso(session.expires),
        },
    });
    sts.sessions.insert(key, session);
    answer
}

/// Credentials are refused under other names, and with 403, by the query services:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>.
pub(crate) fn in_query_words(error: Error) -> Error {
    let code = match error.code.as_str() {
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        // A web identity token is a parameter: its refusal keeps its name.
        "ExpiredTokenException" if error.message.starts_with("Token expired") => return error,
        "ExpiredTokenException" => "ExpiredToken",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "AccessDeniedException" => "AccessDenied",
        "IncompleteSignatureException" => {
            return Error::new("IncompleteSignature", error.message);
        }
        _ => return error,
    };
    Error::new(code, error.message).with_status(403)
}
