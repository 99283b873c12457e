//! Answers as the query protocol writes them:
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.

use serde_json::Value;

use crate::api::sts::VERSION;
use crate::error::Error;

/// The answer of an action.
pub(crate) fn answer(action: &str, members: &Value, request_id: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/{VERSION}/\">\
         <{action}Result>{}</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></{action}Response>",
        content(members)
    )
}

fn content(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let elements = members.iter();
            let elements =
                elements.map(|(name, value)| format!("<{name}>{}</{name}>", content(value)));
            elements.collect::<Vec<String>>().concat()
        }
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

/// An error.
pub(crate) fn error(error: &Error, request_id: &str) -> String {
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
