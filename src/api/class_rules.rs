//! The admission rules of `ECRRepositoryClass` in CEL, each with the message that a user reads.

use kube::core::{Reason, Rule};

use super::rules::TAG_CHARACTERS;

/// A label's key, prefix included, as it stands in `${labels.KEY}`.
const LABEL_KEY: &str = "[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?";

/// The rules on the whole object.
pub(super) fn object() -> Vec<Rule> {
    vec![
        Rule::new("oldSelf.hasValue() || size(self.metadata.name) <= 128")
            .optional_old_self(true)
            .message("must be at most 128 characters, because it is a session tag in AWS; choose a shorter metadata.name")
            .field_path(".metadata.name"),
    ]
}

/// The rules that look at several fields of the spec.
pub(super) fn spec() -> Vec<Rule> {
    vec![
        Rule::new(
            "!has(oldSelf.registry) || (has(self.registry) \
            && self.registry.accountId == oldSelf.registry.accountId \
            && self.registry.region == oldSelf.registry.region)",
        )
        .message("is immutable, because repositories are bound to it: put back the former value; for another account or region create another ECRRepositoryClass")
        .field_path(".registry")
        .reason(Reason::FieldValueForbidden),
        Rule::new(
            "!has(self.registry) || !has(self.assumeRole) \
            || size(self.assumeRole.roleArn.split(':')) < 5 \
            || self.assumeRole.roleArn.split(':')[4] == self.registry.accountId",
        )
        .message("must be a role of the account in registry.accountId: correct one of the two")
        .field_path(".assumeRole.roleArn"),
    ]
}

/// An account's id.
pub(super) fn account_id() -> Rule {
    Rule::new("self.matches('^[0-9]{12}$')")
        .message("must be the id of an AWS account, 12 digits in quotes, such as \"111122223333\"")
}

/// A region's code.
pub(super) fn region() -> Rule {
    Rule::new("self.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$')")
        .message("must be an AWS region, such as ap-southeast-1")
}

/// A role, after <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.
pub(super) fn role_arn() -> Rule {
    Rule::new(r"self.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9_+=,.@/-]+$')")
        .message("must be the ARN of a role, such as arn:aws:iam::111122223333:role/ecr-operator")
}

/// An external id, after the same page.
pub(super) fn external_id() -> Rule {
    Rule::new("self.matches('^[a-zA-Z0-9_+=,.@:/-]+$')")
        .message("must be 2 to 1224 letters, digits or any of _ + = , . @ : / -")
}

/// The syntax of a name template.
pub(super) fn name_template() -> Vec<Rule> {
    vec![super::rules::not_pasted(), Rule::new(format!(
        "self.matches('^([a-z0-9._/-]|[$][{{](namespace|name|(labels|namespaceLabels)[.]{LABEL_KEY})[}}])+$')"
    ))
    .message("must be lower-case letters, digits, '.', '_', '-', '/' and the variables ${namespace}, ${name}, ${labels.KEY} and ${namespaceLabels.KEY}, such as ${namespace}/${name}")]
}

/// The syntax of a pattern of names. An object's own labels are left out: who writes the object
/// chooses them, so that a pattern with them would allow anything.
pub(super) fn name_glob() -> Vec<Rule> {
    vec![
        Rule::new(format!(
            "self.matches('^([a-z0-9._/*-]|[$][{{](namespace|name|namespaceLabels[.]{LABEL_KEY})[}}])+$')"
        ))
        .message("must be lower-case letters, digits, '.', '_', '-', '/', '*' and the variables ${namespace}, ${name} and ${namespaceLabels.KEY}, such as ${namespace}/*; the object's own labels are no limit, because its author chooses them"),
        Rule::new("!self.contains('${name}') || self.contains('${namespace')")
            .message("${name} alone limits nothing, because the object's author chooses its name: put ${namespace} or ${namespaceLabels.KEY} beside it"),
        Rule::new("!self.contains('***')").message("'*' matches within a '/', '**' across: write one or two"),
    ]
}

/// The value of a class's tag. Whatever AWS does not take stands in a variable.
pub(super) fn tag_value() -> Vec<Rule> {
    let characters = TAG_CHARACTERS.replace('\\', r"\\");
    vec![
        Rule::new(format!(
            "self.matches('^({characters}|[$][{{](namespace|name|(labels|namespaceLabels)[.]{LABEL_KEY})[}}])*$')"
        ))
        .message("must be letters, digits, spaces or any of _ . : / = + - @, and the variables ${namespace}, ${name}, ${labels.KEY} and ${namespaceLabels.KEY}, such as ${namespaceLabels.team}"),
        Rule::new("self.contains('${') || size(self) <= 256")
            .message("must be at most 256 characters"),
    ]
}

/// A service that policies may name.
pub(super) fn service() -> Rule {
    Rule::new("self.matches('^[a-z0-9-]+([.][a-z0-9-]+)*[.]amazonaws[.]com([.]cn)?$')")
        .message("must be a service, such as codebuild.amazonaws.com")
}

/// Whom policies may name.
pub(super) fn allowed_principal() -> Rule {
    Rule::new(
        r"self.matches('^([*]|[0-9]{12}|arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:[^*?$\\s]+|o-[a-z0-9]{10,32}|[a-z0-9-]+([.][a-z0-9-]+)+)$')",
    )
    .message("must be an account id (111122223333), the ARN of a role, a user or an identity provider (arn:aws:iam::111122223333:role/ci), the id of an organisation (o-a1b2c3d4e5), a service (codebuild.amazonaws.com), or * for everybody")
}

/// What policies may grant.
pub(super) fn action() -> Rule {
    Rule::new("self.matches('^ecr:[a-zA-Z*]+$')")
        .message("must be an action of ECR, such as ecr:BatchGetImage or ecr:Get*")
}

/// Which keys may be named.
pub(super) fn kms_pattern() -> Vec<Rule> {
    vec![
        Rule::new(
            "self.matches('^(arn:aws[a-z-]*:kms:[a-z0-9*-]+:[0-9*]+:(key|alias)/[a-zA-Z0-9/_*-]+|alias/[a-zA-Z0-9/_*-]+|[a-zA-Z0-9-]+)$')",
        )
        .message("must be the ARN of a key or an alias of AWS KMS, a key's id, or alias/NAME; '*' may stand in an ARN's region, account and name"),
        Rule::new("!self.contains('***')").message("'*' matches within a '/', '**' across: write one or two"),
    ]
}

/// A requirement has values exactly where its operator looks at them.
pub(super) fn requirement() -> Vec<Rule> {
    let values = "(has(self.values) && size(self.values) > 0)";
    let wants = "(self.operator == 'In' || self.operator == 'NotIn')";
    vec![
        Rule::new(format!("self.key.matches('^{LABEL_KEY}$')"))
            .message("must be the key of a label, such as team or example.com/team")
            .field_path(".key"),
        Rule::new(format!("!{wants} || {values}"))
            .message("name at least one value, or set operator to Exists or DoesNotExist")
            .field_path(".values")
            .reason(Reason::FieldValueRequired),
        Rule::new(format!("{wants} || !{values}"))
            .message("goes with In and NotIn only: remove it, or set operator to one of them")
            .field_path(".values")
            .reason(Reason::FieldValueForbidden),
    ]
}

/// The keys of labels.
pub(super) fn label_keys() -> Rule {
    Rule::new(format!(
        "self.all(k, size(k) <= 317 && k.matches('^{LABEL_KEY}$'))"
    ))
    .message("keys must be those of labels, such as team or example.com/team")
}

/// The value of a label.
pub(super) fn label_value() -> Rule {
    Rule::new("self.matches('^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$')").message(
        "must be the value of a label: letters and digits, with '.', '_' or '-' between them",
    )
}

/// A list in which nothing stands twice.
pub(super) fn unique() -> Rule {
    Rule::new("self.all(a, self.exists_one(b, b == a))")
        .message("names something twice: name each once")
}
