//! STS, as far as ECR's clients need it: AWS's query protocol with an XML answer.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>

use serde_json::{Value, json};

use super::text;
use crate::caller::Caller;
use crate::error::Error;
use crate::state::uuid;

/// The version of the API that the SDKs name.
const VERSION: &str = "2011-06-15";

/// The members of the answer to `GetCallerIdentity`: one user in every account.
pub(crate) fn caller_identity(caller: &Caller) -> Value {
    let id = uuid(&caller.account).replace('-', "").to_uppercase();
    let id = id.get(..17).unwrap_or(&id);
    json!({ "Account": caller.account, "Arn": caller.arn(), "UserId": format!("AIDA{id}") })
}

/// The answer as the query protocol writes it.
pub(crate) fn answer_xml(identity: &Value, request_id: &str) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/{VERSION}/\">\
         <GetCallerIdentityResult><Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>",
        text(identity, "Arn"),
        text(identity, "UserId"),
        text(identity, "Account"),
    )
}

/// What the query protocol answers to an action that it does not know.
pub(crate) fn unknown_action(action: &str) -> Error {
    Error::new(
        "InvalidAction",
        format!("Could not find operation {action} for version {VERSION}"),
    )
}

/// Credentials are refused under other names, and with 403, by the query services:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>.
pub(crate) fn in_query_words(error: Error) -> Error {
    let code = match error.code.as_str() {
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "ExpiredTokenException" => "ExpiredToken",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "AccessDeniedException" => "AccessDenied",
        "ThrottlingException" => "Throttling",
        "IncompleteSignatureException" => {
            return Error::new("IncompleteSignature", error.message);
        }
        _ => return error,
    };
    let status = if code == "Throttling" { 400 } else { 403 };
    Error::new(code, error.message).with_status(status)
}

/// An error as the query protocol writes it.
pub(crate) fn error_xml(error: &Error, request_id: &str) -> String {
    let fault = if error.status >= 500 {
        "Receiver"
    } else {
        "Sender"
    };
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/{VERSION}/\"><Error>\
         <Type>{fault}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        escaped(&error.code),
        escaped(&error.message)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
