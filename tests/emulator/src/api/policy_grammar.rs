//! The grammar of repository policies, and the form in which ECR returns them.
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>. A
//! repository policy has no Resource, because it is attached to one:
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html>.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::policy_text::{Node, leaf, write_object};
use crate::caller::is_account;
use crate::partition::Partition;
use crate::shape::matches;

/// A policy that fits the grammar, its members in the order in which they are returned.
pub(super) struct Policy {
    members: Vec<(&'static str, Node)>,
    principals: BTreeSet<String>,
    statements: Vec<Statement>,
}

/// The facts of a statement that decide whether it locks its author out.
struct Statement {
    allows: bool,
    denies: bool,
    conditional: bool,
    principals: Vec<String>,
    actions: Vec<String>,
}

/// Parses a policy; none if it does not fit the grammar. `region` decides the partition in which
/// account ids are written out.
pub(super) fn parse(text: &str, region: &str) -> Option<Policy> {
    read(text, region, false)
}

/// Parses the policy of a registry, whose statements name their resources:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions.html>.
pub(super) fn parse_for_registry(text: &str, region: &str) -> Option<Policy> {
    read(text, region, true)
}

fn read(text: &str, region: &str, with_resource: bool) -> Option<Policy> {
    let Value::Object(document) = serde_json::from_str(text).ok()? else {
        return None;
    };
    only(&document, &["Version", "Id", "Statement"])?;
    let version = match document.get("Version") {
        // The default of the grammar.
        None => "2008-10-17",
        Some(version) => version
            .as_str()
            .filter(|version| ["2008-10-17", "2012-10-17"].contains(version))?,
    };
    let mut members = vec![("Version", leaf(version))];
    if let Some(id) = document.get("Id") {
        members.push(("Id", leaf(id.as_str()?)));
    }
    let mut reader = Reader {
        partition: Partition::of(region),
        with_resource,
        principals: BTreeSet::new(),
        statements: Vec::new(),
    };
    let statements = one_or_more(document.get("Statement")?)
        .into_iter()
        .map(|statement| reader.statement(statement.as_object()?))
        .collect::<Option<Vec<Node>>>()
        .filter(|statements| !statements.is_empty())?;
    members.push(("Statement", Node::List(statements)));
    Some(Policy {
        members,
        principals: reader.principals,
        statements: reader.statements,
    })
}

/// The members of a statement.
const STATEMENT: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Condition",
];

/// Those that only a registry's statements have.
const RESOURCES: &[&str] = &["Resource", "NotResource"];

struct Reader {
    partition: &'static Partition,
    with_resource: bool,
    principals: BTreeSet<String>,
    statements: Vec<Statement>,
}

impl Reader {
    fn statement(&mut self, statement: &Map<String, Value>) -> Option<Node> {
        let more: &[&str] = if self.with_resource { RESOURCES } else { &[] };
        only(statement, &[STATEMENT, more].concat())?;
        let mut members = Vec::new();
        // Any text: IAM's own policies have letters and digits only, and services "may have other
        // requirements" (the grammar). AWS's examples for ECR have spaces, and none is documented. IAM
        // wants Sids unique in a policy; ECR takes the same one twice ("while this is discouraged, it
        // works with ECR on AWS"): <https://github.com/getmoto/moto/pull/8933>.
        if let Some(sid) = statement.get("Sid") {
            members.push(("Sid".to_owned(), leaf(sid.as_str()?)));
        }
        let effect = statement.get("Effect")?.as_str()?;
        ["Allow", "Deny"].contains(&effect).then_some(())?;
        members.push(("Effect".to_owned(), leaf(effect)));
        let (name, principal) = either(statement, "Principal", "NotPrincipal")?;
        let (principal, principals) = self.principal(principal)?;
        members.push((name.to_owned(), principal));
        let (name, action) = either(statement, "Action", "NotAction")?;
        let actions = actions(action, self.with_resource)?;
        members.push((name.to_owned(), scalar_or_list(&actions)));
        if self.with_resource {
            let (name, resource) = either(statement, "Resource", "NotResource")?;
            members.push((name.to_owned(), scalar_or_list(&resources(resource)?)));
        }
        if let Some(condition) = statement.get("Condition") {
            members.push(("Condition".to_owned(), conditions(condition)?));
        }
        self.statements.push(Statement {
            allows: effect == "Allow" && statement.contains_key("Principal"),
            denies: effect == "Deny" && statement.contains_key("Principal"),
            conditional: statement.contains_key("Condition"),
            principals,
            actions: if name == "Action" {
                actions
            } else {
                Vec::new()
            },
        });
        Some(Node::Object(members))
    }

    /// `"*"`, or an object of principals by type. The string `"*"` is legal IAM for everyone, and
    /// AWS's own example for ECR (`set-repository-policy` in the AWS CLI reference) uses it and
    /// shows it returned as it is; one report of its refusal does not outweigh that.
    fn principal(&mut self, principal: &Value) -> Option<(Node, Vec<String>)> {
        let types = match principal {
            Value::String(everyone) if everyone == "*" => {
                return Some((leaf("*"), vec!["*".to_owned()]));
            }
            Value::Object(types) if !types.is_empty() => types,
            _ => return None,
        };
        only(types, &["AWS", "Service", "Federated", "CanonicalUser"])?;
        let mut members = Vec::new();
        let mut all = Vec::new();
        for (kind, given) in types {
            let mut principals = Vec::new();
            for principal in one_or_more(given) {
                let principal = self.normalised(kind, principal.as_str()?)?;
                if !principals.contains(&principal) {
                    principals.push(principal);
                }
            }
            (!principals.is_empty()).then_some(())?;
            members.push((kind.clone(), scalar_or_list(&principals)));
            all.extend(principals);
        }
        self.principals.extend(all.iter().cloned());
        Some((Node::Object(members), all))
    }

    /// An account id becomes the ARN of its root. Unique ids (`AIDA…`, `AROA…`) are what AWS shows
    /// for principals that are gone; it does not take them as input. Those of other
    /// partitions are nobody: resource-based policies "delegate access across accounts within a single
    /// partition"
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies-cross-account-resource-access.html>).
    fn normalised(&self, kind: &str, principal: &str) -> Option<String> {
        const IAM: &str = r"iam::[0-9]{12}:(root|(user|role)/[\w+=,.@/-]+)";
        const STS: &str = r"sts::[0-9]{12}:(assumed-role|federated-user)/[\w+=,.@/-]+";
        const SERVICE: &str = r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?";
        let own_arn = format!("arn:{}:", self.partition.id);
        let of_own = |pattern| {
            let rest = principal.strip_prefix(&own_arn);
            rest.is_some_and(|it| matches(pattern, it).unwrap_or(false))
        };
        let fits = |pattern| matches(pattern, principal).unwrap_or(false);
        let own = || Some(principal.to_owned());
        match kind {
            "AWS" if is_account(principal) => {
                Some(format!("arn:{}:iam::{principal}:root", self.partition.id))
            }
            "AWS" if principal == "*" || of_own(IAM) || of_own(STS) => own(),
            "Service" if fits(SERVICE) => own(),
            "Federated" | "CanonicalUser" if !principal.is_empty() => own(),
            _ => None,
        }
    }
}

fn only(object: &Map<String, Value>, names: &[&str]) -> Option<()> {
    object
        .keys()
        .all(|key| names.contains(&key.as_str()))
        .then_some(())
}

/// Exactly one of two members.
fn either<'a>(
    object: &'a Map<String, Value>,
    one: &'static str,
    other: &'static str,
) -> Option<(&'static str, &'a Value)> {
    match (object.get(one), object.get(other)) {
        (Some(value), None) => Some((one, value)),
        (None, Some(value)) => Some((other, value)),
        _ => None,
    }
}

/// A scalar is a list of one.
fn one_or_more(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        scalar => vec![scalar],
    }
}

/// A list of one becomes a scalar.
fn scalar_or_list(items: &[String]) -> Node {
    match items {
        [item] => leaf(item),
        items => Node::List(items.iter().map(|item| leaf(item)).collect()),
    }
}

/// Actions that policies can name and that are no operations:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html>.
const PERMISSIONS_ONLY: &[&str] = &[
    "BatchImportUpstreamImage",
    "GetImageCopyStatus",
    "ReplicateImage",
];

/// Actions of ECR, with wildcards, or all.
fn actions(value: &Value, for_registry: bool) -> Option<Vec<String>> {
    let mut actions: Vec<String> = Vec::new();
    for action in one_or_more(value) {
        let action = action.as_str()?;
        is_action(action, for_registry).then_some(())?;
        if !actions.iter().any(|other| other == action) {
            actions.push(action.to_owned());
        }
    }
    (!actions.is_empty()).then_some(actions)
}

/// Whether an action is one that such a policy can be about. A registry's can be about all that ECR
/// has (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions.html>). A
/// repository's cannot be about tokens, which are no repository's: ECR refuses that, so it looks at
/// the names (<https://github.com/cloudposse/terraform-aws-ecr/pull/67>). No document says that it
/// refuses names that it does not know; no check of names would let them pass.
fn is_action(action: &str, for_registry: bool) -> bool {
    let Some((service, name)) = action.split_once(':') else {
        return action == "*";
    };
    let known = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let own = service.eq_ignore_ascii_case("ecr");
    if name.contains(['*', '?']) {
        return own && matches("[A-Za-z*?]+", name).unwrap_or(false);
    }
    let found = super::is_operation(name) || known(PERMISSIONS_ONLY);
    own && found && (for_registry || !known(&["GetAuthorizationToken"]))
}

/// Resources of ECR, with wildcards, or all.
fn resources(value: &Value) -> Option<Vec<String>> {
    one_or_more(value)
        .into_iter()
        .map(|resource| {
            let resource = resource.as_str()?;
            let known = matches(r"\*|arn:[a-z*-]+:ecr:[^:]*:[0-9*]*:[^:]+", resource);
            known.unwrap_or(false).then(|| resource.to_owned())
        })
        .collect::<Option<Vec<_>>>()
        .filter(|resources| !resources.is_empty())
}

/// The condition operators of IAM:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.
const OPERATORS: &str = "(ForAllValues:|ForAnyValue:)?(\
    String(Not)?(Equals|EqualsIgnoreCase|Like)\
    |Numeric(Not)?Equals|Numeric(Less|Greater)Than(Equals)?\
    |Date(Not)?Equals|Date(Less|Greater)Than(Equals)?\
    |Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?|Null";

fn conditions(value: &Value) -> Option<Node> {
    let mut operators = Vec::new();
    for (operator, keys) in value.as_object()? {
        matches(OPERATORS, operator)
            .unwrap_or(false)
            .then_some(())?;
        let mut members = Vec::new();
        for (key, values) in keys.as_object().filter(|keys| !keys.is_empty())? {
            let values = condition_values(values)?;
            members.push((key.clone(), scalar_or_list(&values)));
        }
        operators.push((operator.clone(), Node::Object(members)));
    }
    Some(Node::Object(operators))
}

/// Numbers and booleans are returned as strings, as IAM writes all condition values.
fn condition_values(value: &Value) -> Option<Vec<String>> {
    one_or_more(value)
        .into_iter()
        .map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        })
        .collect::<Option<Vec<_>>>()
        .filter(|values| !values.is_empty())
}

impl Policy {
    /// The principals that it names, normalised.
    pub(super) fn principals(&self) -> impl Iterator<Item = &str> {
        self.principals.iter().map(String::as_str)
    }

    /// Whether it lets another account do something. Conditions count as met, and resources as
    /// those that are meant: more of IAM than that no operation of the emulator depends on.
    pub(super) fn allows(&self, account: &str, action: &str) -> bool {
        let root = format!(":iam::{account}:root");
        let covers = |statement: &&Statement| {
            let whom = |principal: &String| principal == "*" || principal.ends_with(&root);
            let what = |pattern: &String| {
                super::push::glob(
                    pattern.to_lowercase().as_bytes(),
                    action.to_lowercase().as_bytes(),
                )
            };
            statement.principals.iter().any(whom) && statement.actions.iter().any(what)
        };
        let mut covering = self.statements.iter().filter(covers).peekable();
        covering.peek().is_some() && covering.all(|statement| statement.allows)
    }

    /// Whether it denies its author to set another policy without a condition. AWS documents that
    /// there is such a check, not how far it looks; a plain Deny is the least that it must see.
    pub(super) fn locks_out(&self, caller: &str, account: &str) -> bool {
        let root = format!(":iam::{account}:root");
        self.statements.iter().any(|statement| {
            let whom = |principal: &String| {
                principal == "*" || principal == caller || principal.ends_with(&root)
            };
            let what = |action: &String| {
                let action = action.to_lowercase();
                ["*", "ecr:*", "ecr:set*", "ecr:setrepositorypolicy"].contains(&action.as_str())
            };
            statement.denies
                && !statement.conditional
                && statement.principals.iter().any(whom)
                && statement.actions.iter().any(what)
        })
    }

    /// The text that ECR returns: two spaces a level, ` : ` after a key, lists on one line, as in
    /// the answers that the AWS CLI reference shows.
    pub(super) fn pretty(&self) -> String {
        let mut text = String::new();
        let members = self.members.iter().map(|(name, node)| (*name, node));
        write_object(members, 0, &mut text);
        text
    }
}
