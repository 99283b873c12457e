//! The operators of conditions: "IAM JSON policy elements: Condition operators", IAM User Guide.

use crate::domain::near;

const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
];

/// How the short names begin that AWS's documents had before ("Short version: streq"), and that nobody
/// says to be refused now.
const SHORT: [&str; 4] = ["str", "num", "date", "arn"];

/// What may come before an operator ("Set operators for multivalued context keys").
const SETS: [&str; 2] = ["ForAllValues:", "ForAnyValue:"];

/// What may come behind one.
const IF_EXISTS: &str = "IfExists";

/// Whether IAM may have such an operator. That case matters is not documented.
pub(super) fn is_known(operator: &str) -> bool {
    let lower = operator.to_ascii_lowercase();
    let mut sets = SETS.iter().map(|set| set.to_ascii_lowercase());
    let bare = sets.find_map(|set| lower.strip_prefix(&set));
    let bare = bare.unwrap_or(&lower);
    let bare = bare
        .strip_suffix(&IF_EXISTS.to_ascii_lowercase())
        .unwrap_or(bare);
    OPERATORS.iter().any(|it| it.eq_ignore_ascii_case(bare)) || is_short(bare)
}

fn is_short(bare: &str) -> bool {
    SHORT.iter().any(|start| {
        let rest = bare.strip_prefix(start);
        rest.is_some_and(|rest| {
            let endings = [
                "eq", "neq", "eqi", "neqi", "l", "nl", "lt", "lteq", "gt", "gteq", "like", "nlike",
            ];
            endings.contains(&rest)
        })
    })
}

/// The operator that must be meant.
pub(super) fn nearest(operator: &str) -> Option<String> {
    let in_sets = SETS
        .iter()
        .flat_map(|set| OPERATORS.iter().map(move |it| format!("{set}{it}")));
    let all: Vec<String> = OPERATORS
        .iter()
        .map(|it| (*it).to_owned())
        .chain(in_sets)
        .collect();
    let with_suffix: Vec<String> = all.iter().map(|it| format!("{it}{IF_EXISTS}")).collect();
    let all = all.iter().chain(&with_suffix);
    near::nearest(operator, all.map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_iams_are_known_and_no_others() {
        for operator in OPERATORS {
            for set in ["", "ForAllValues:", "ForAnyValue:", "foranyvalue:"] {
                for suffix in ["", "IfExists"] {
                    let operator = format!("{set}{operator}{suffix}");
                    assert!(is_known(&operator), "{operator}");
                    assert!(is_known(&operator.to_ascii_uppercase()), "{operator}");
                }
            }
        }
        for short in ["streq", "strneqi", "numlteq", "dategt", "arneq", "strl"] {
            assert!(is_known(short), "{short}");
        }
        for (none, meant) in [
            ("Foo", None),
            ("", None),
            ("IfExists", None),
            ("StringEqual", Some("StringEquals")),
            ("StringEqualsIfExist", Some("StringEqualsIfExists")),
            ("ForAnyValues:StringLike", Some("ForAnyValue:StringLike")),
            ("ForAllValues", None),
            ("ArnMatches", None),
            ("stringequal", Some("StringEquals")),
            ("IPAdress", Some("IpAddress")),
        ] {
            assert!(!is_known(none), "{none}");
            assert_eq!(nearest(none).as_deref(), meant, "{none}");
        }
    }
}
