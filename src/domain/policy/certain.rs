//! What ECR refuses for certain. It says no more than "Invalid repository policy provided", as it does
//! while a principal is very new; what no wait can cure is told at once, by the word that is wrong.
//!
//! Users alone are held to this, not what ECR returns. Whatever public sources disagree about, or leave
//! open, is sent: see [`suspects`](super::suspects).

use serde_json::{Map, Value};

use super::error::{meant, shown};
use super::part::Part;
use super::{PolicyError, arn, operator};
use crate::domain::near::nearest;
use crate::domain::operations::{OPERATIONS, is_ecr, stands_for_some};

/// Looks through a document that follows the grammar.
pub(super) fn check(map: &Map<String, Value>) -> Result<(), PolicyError> {
    let at = "spec.repositoryPolicy.Statement".to_owned();
    let Some(value) = map.get("Statement") else {
        return Ok(());
    };
    items(Part { at, value }).iter().try_for_each(statement)
}

fn statement(part: &Part<'_>) -> Result<(), PolicyError> {
    for (key, part) in members(part) {
        match key {
            "Action" | "NotAction" => items(part).iter().try_for_each(action)?,
            "Principal" | "NotPrincipal" => principals(&part)?,
            "Condition" => conditions(&part)?,
            _ => {}
        }
    }
    Ok(())
}

/// The grammar knows that none of the lists is empty.
fn items(part: Part<'_>) -> Vec<Part<'_>> {
    part.items().unwrap_or_default()
}

fn members<'a>(part: &Part<'a>) -> impl Iterator<Item = (&'a str, Part<'a>)> {
    let members = part.value.as_object().into_iter().flatten();
    let at = part.at.clone();
    members.map(move |(key, value)| {
        let at = format!("{at}.{}", shown(key));
        (key.as_str(), Part { at, value })
    })
}

fn word<'a>(part: &Part<'a>) -> Result<&'a str, PolicyError> {
    let text = part.value.as_str().unwrap_or_default();
    without_space(&part.at, text).map(|()| text)
}

/// No word of a policy but Sids and values has a space.
fn without_space(at: &str, text: &str) -> Result<(), PolicyError> {
    if !text.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(PolicyError::Space {
        at: at.to_owned(),
        word: shown(text),
        without: shown(&text.split_whitespace().collect::<String>()),
    })
}

/// ECR refuses even an action of its own that is about no repository
/// (<https://github.com/cloudposse/terraform-aws-ecr/pull/67>): it takes no names that it does not know.
fn action(part: &Part<'_>) -> Result<(), PolicyError> {
    let text = word(part)?;
    let Some((service, name)) = text.split_once(':') else {
        return Ok(());
    };
    if service.contains(['*', '?']) || (is_ecr(service) && stands_for_some(name)) {
        return Ok(());
    }
    let of_ecr = OPERATIONS.map(|name| format!("ecr:{name}"));
    let near = nearest(text, of_ecr.iter().map(String::as_str));
    Err(PolicyError::UnknownAction {
        at: part.at.clone(),
        action: shown(text),
        cure: meant(near, "correct it, or remove it"),
    })
}

fn principals(part: &Part<'_>) -> Result<(), PolicyError> {
    for (kind, part) in members(part) {
        match kind {
            "AWS" => items(part).iter().try_for_each(aws_principal)?,
            "Service" => items(part).iter().try_for_each(service)?,
            // Identity providers and users of S3: nobody says how ECR takes them.
            _ => {}
        }
    }
    Ok(())
}

/// "AWS JSON policy elements: Principal" and "IAM identifiers", IAM User Guide.
fn aws_principal(part: &Part<'_>) -> Result<(), PolicyError> {
    let text = part.value.as_str().unwrap_or_default();
    if text == "*" || arn::may_be_an_id(text) || arn::is_of_cloudfront(text) {
        return Ok(());
    }
    let text = word(part)?;
    if arn::is_account(text) || arn::names_a_principal(text) {
        return Ok(());
    }
    let (lacks, cure) = misled(text);
    Err(PolicyError::Principal {
        at: part.at.clone(),
        principal: shown(text),
        lacks,
        cure,
    })
}

/// What a text is not that names nobody as an `AWS` principal, and what to do.
fn misled(text: &str) -> (&'static str, &'static str) {
    const ARN: &str = "write an account id (\"111122223333\") or an ARN such as \
                       arn:aws:iam::111122223333:role/ci";
    const ORGANISATION: &str = "write Principal: \"*\" with the Condition {StringEquals: \
                                {\"aws:PrincipalOrgID\": the id}}";
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        return ("is no account id of 12 digits", ARN);
    }
    if text.starts_with("arn:") {
        return if arn::parse(text).is_none() {
            (
                "is no ARN of IAM or STS with an account id of 12 digits",
                ARN,
            )
        } else {
            ("is no ARN of a root, a role, a user or a session", ARN)
        };
    }
    if text.starts_with("o-") {
        return ("is an organisation and no principal", ORGANISATION);
    }
    if text.contains(".amazonaws.com") {
        let cure = "write it as {Service: …} in the place of {AWS: …}";
        return ("is a service and no account", cure);
    }
    ("is no account, role, user or session", ARN)
}

fn service(part: &Part<'_>) -> Result<(), PolicyError> {
    match word(part)? {
        "*" => Err(PolicyError::EveryService {
            at: part.at.clone(),
        }),
        _ => Ok(()),
    }
}

fn conditions(part: &Part<'_>) -> Result<(), PolicyError> {
    for (operator, _) in members(part) {
        without_space(&part.at, operator)?;
        if !operator::is_known(operator) {
            return Err(PolicyError::Operator {
                at: part.at.clone(),
                operator: shown(operator),
                cure: meant(
                    operator::nearest(operator),
                    "write one of IAM's, such as StringEquals",
                ),
            });
        }
    }
    Ok(())
}
