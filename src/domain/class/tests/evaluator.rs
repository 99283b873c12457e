//! A naive evaluation of resource policies, read from the IAM User Guide ("Policy evaluation logic",
//! "AWS JSON policy elements: Principal", "IAM JSON policy elements: Condition operators") apart from
//! the check under test: it works on the JSON itself and knows no list of the class.
//!
//! Where IAM's reach is not plain it takes the wider reading: what it calls allowed is a superset.

use serde_json::{Map, Value};

/// Who calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Caller {
    /// Without credentials.
    Anonymous,
    /// A principal of an account, perhaps of an organisation.
    Aws {
        account: &'static str,
        organization: Option<&'static str>,
        /// The ARN of the user, the role or the root user.
        identity: &'static str,
        unique_id: &'static str,
        canonical: &'static str,
    },
    /// A service, on behalf of somebody.
    Service {
        name: &'static str,
        account: &'static str,
        organization: Option<&'static str>,
        /// The ARN of what it acts for.
        source: &'static str,
    },
    Federated(&'static str),
}

/// Whether some statement may deny the action to the caller, now or under other circumstances:
/// conditions are left out. Whoever `NotPrincipal` does not name is denied.
pub(super) fn denies(policy: &Value, caller: Caller, action: &str) -> bool {
    let statements = list(policy.get("Statement"));
    statements.into_iter().any(|statement| {
        statement["Effect"] == "Deny"
            && names_caller(statement, caller)
            && names_action(statement, action)
    })
}

/// Whether some statement allows the action to the caller. Denials are left out.
pub(super) fn allows(policy: &Value, caller: Caller, action: &str) -> bool {
    let statements = list(policy.get("Statement"));
    statements.into_iter().any(|statement| {
        statement["Effect"] == "Allow"
            && names_caller(statement, caller)
            && names_action(statement, action)
            && holds(statement, caller)
    })
}

fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}

fn names_caller(statement: &Value, caller: Caller) -> bool {
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), _) => is_named(principal, caller),
        (None, Some(principal)) => !is_named(principal, caller),
        (None, None) => false,
    }
}

fn is_named(principal: &Value, caller: Caller) -> bool {
    let Some(kinds) = principal.as_object() else {
        return principal == "*";
    };
    let named = |kind: &str| -> Vec<&str> {
        list(kinds.get(kind))
            .into_iter()
            .filter_map(Value::as_str)
            .collect()
    };
    if named("AWS").contains(&"*") {
        return true;
    }
    match caller {
        Caller::Anonymous => false,
        Caller::Service { name, .. } => named("Service").iter().any(|it| *it == "*" || *it == name),
        Caller::Federated(name) => named("Federated")
            .iter()
            .any(|it| *it == "*" || *it == name),
        Caller::Aws {
            account,
            identity,
            unique_id,
            canonical,
            ..
        } => {
            let root =
                |it: &str| it.starts_with("arn:") && it.ends_with(&format!(":iam::{account}:root"));
            named("AWS")
                .iter()
                .any(|it| *it == account || root(it) || *it == identity || *it == unique_id)
                || named("CanonicalUser")
                    .iter()
                    .any(|it| *it == "*" || *it == canonical)
        }
    }
}

fn names_action(statement: &Value, action: &str) -> bool {
    let matches = |pattern: &Value| {
        wild(
            &pattern.as_str().unwrap().to_lowercase(),
            &action.to_lowercase(),
        )
    };
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), _) => list(Some(actions)).into_iter().any(matches),
        (None, Some(actions)) => !list(Some(actions)).into_iter().any(matches),
        (None, None) => false,
    }
}

/// `*` any run, `?` any one.
pub(super) fn wild(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            wild(rest, text)
                || text
                    .chars()
                    .next()
                    .is_some_and(|it| wild(pattern, &text[it.len_utf8()..]))
        }
        Some(one) => text.chars().next().is_some_and(|it| {
            (one == '?' || one == it) && wild(&pattern[one.len_utf8()..], &text[it.len_utf8()..])
        }),
    }
}

fn holds(statement: &Value, caller: Caller) -> bool {
    let none = Map::new();
    let operators = statement
        .get("Condition")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    operators.iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, values)| {
            let values: Vec<String> = list(Some(values))
                .into_iter()
                .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
                .collect();
            condition(
                &operator.to_lowercase(),
                context(&key.to_lowercase(), caller),
                &values,
            )
        })
    })
}

/// What IAM knows of the request; keys that are not about the caller have the value that lets most in.
#[derive(Clone, Copy)]
enum Known {
    Absent,
    Is(&'static str),
    Anything,
}

fn context(key: &str, caller: Caller) -> Known {
    if let Caller::Service {
        account,
        organization,
        source,
        ..
    } = caller
    {
        return match key {
            "aws:sourceaccount" => Known::Is(account),
            "aws:sourceorgid" => organization.map_or(Known::Absent, Known::Is),
            "aws:sourcearn" => Known::Is(source),
            _ if key.starts_with("aws:principal") => Known::Absent,
            _ => Known::Anything,
        };
    }
    let Caller::Aws {
        account,
        organization,
        identity,
        ..
    } = caller
    else {
        return if key.starts_with("aws:principal") {
            Known::Absent
        } else {
            Known::Anything
        };
    };
    match key {
        "aws:principalorgid" => organization.map_or(Known::Absent, Known::Is),
        "aws:principalaccount" => Known::Is(account),
        "aws:principalarn" => Known::Is(identity),
        _ => Known::Anything,
    }
}

fn condition(operator: &str, known: Known, values: &[String]) -> bool {
    let (for_all, operator) = match operator.split_once(':') {
        Some((qualifier, rest)) => (qualifier == "forallvalues", rest),
        None => (false, operator),
    };
    let (if_exists, operator) = match operator.strip_suffix("ifexists") {
        Some(rest) => (true, rest),
        None => (false, operator),
    };
    let value = match known {
        Known::Anything => return true,
        Known::Absent if operator == "null" => return values.iter().any(|it| it == "true"),
        Known::Absent => return if_exists || for_all || operator.contains("not"),
        Known::Is(value) => value,
    };
    let variable = |it: &String| it.starts_with("${");
    match operator {
        "stringequals" => values.iter().any(|it| it == value || variable(it)),
        "stringequalsignorecase" => values
            .iter()
            .any(|it| it.eq_ignore_ascii_case(value) || variable(it)),
        "stringlike" => values.iter().any(|it| wild(it, value) || variable(it)),
        "arnlike" | "arnequals" => values.iter().any(|it| arn_like(it, value) || variable(it)),
        "stringnotequals" => !values.iter().any(|it| it == value),
        "null" => values.iter().any(|it| it == "false"),
        _ => true,
    }
}

/// Each of the six parts of an ARN by itself.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let parts = |text: &str| -> Vec<String> { text.splitn(6, ':').map(str::to_owned).collect() };
    let (pattern, arn) = (parts(pattern), parts(arn));
    pattern.len() == arn.len()
        && pattern
            .iter()
            .zip(&arn)
            .all(|(one, other)| wild(one, other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALICE: Caller = Caller::Aws {
        account: "111111111111",
        organization: Some("o-1"),
        identity: "arn:aws:iam::111111111111:user/alice",
        unique_id: "AIDAALICE",
        canonical: "c1",
    };

    /// The evaluator itself is right about what IAM's pages show.
    #[test]
    fn it_reads_policies_as_iam_does() {
        let allow = |principal: Value, condition: Value| json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "ecr:*", "Condition": condition}});
        let org = |operator: &str, value: &str| json!({operator: {"aws:PrincipalOrgID": value}});
        for (policy, anonymous, alice) in [
            (allow(json!("*"), json!({})), true, true),
            (
                allow(json!({"AWS": "111111111111"}), json!({})),
                false,
                true,
            ),
            (
                allow(json!({"AWS": "arn:aws:iam::111111111111:root"}), json!({})),
                false,
                true,
            ),
            (
                allow(
                    json!({"AWS": ["2", "arn:aws:iam::111111111111:user/bob"]}),
                    json!({}),
                ),
                false,
                false,
            ),
            (allow(json!({"Service": "*"}), json!({})), false, false),
            (allow(json!("*"), org("StringEquals", "o-1")), false, true),
            (
                allow(json!("*"), org("StringEqualsIfExists", "o-1")),
                true,
                true,
            ),
            (
                allow(json!("*"), org("ForAllValues:StringEquals", "o-1")),
                true,
                true,
            ),
            (
                allow(json!("*"), org("ForAnyValue:StringEquals", "o-1")),
                false,
                true,
            ),
            (allow(json!("*"), org("StringLike", "o-*")), false, true),
            (
                allow(json!("*"), org("StringNotEquals", "o-1")),
                true,
                false,
            ),
            (
                allow(json!("*"), json!({"Null": {"aws:PrincipalOrgID": "false"}})),
                false,
                true,
            ),
            (
                json!({"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "111111111111"}, "NotAction": "s3:*"}]}),
                true,
                false,
            ),
        ] {
            assert_eq!(
                allows(&policy, Caller::Anonymous, "ecr:PutImage"),
                anonymous,
                "{policy}"
            );
            assert_eq!(allows(&policy, ALICE, "ecr:PutImage"), alice, "{policy}");
        }
    }
}
