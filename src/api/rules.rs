//! The admission rules of `ECRRepository` in CEL, each with the message that a user reads.
//!
//! What can be refused here never reaches AWS, and `kubectl apply` says so at once. Two things to know
//! before a rule is added (<https://kubernetes.io/docs/reference/using-api/cel/>): a rule on the whole
//! object that is not about a change is checked on every write, also on those of status and of
//! finalizers, and would lock old objects in; and a comparison of two values without a bound costs
//! more than the API server allows.

use kube::core::{Reason, Rule};

use super::RESERVED_TAG_PREFIX;

/// One part of a repository's name, between slashes: AWS's own pattern.
const NAME_PART: &str = "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*";

/// How the URI of a repository begins ("Private registry", Amazon ECR User Guide; dual-stack and FIPS endpoints
/// are those of "Amazon ECR endpoints and quotas"), in whatever partition, and its ARN.
const PASTED: &str = "^([a-z]+://)?[0-9]{12}[.]dkr[.-]ecr(-fips)?[.]|^arn:";

/// What AWS allows in the keys and values of tags.
pub(super) const TAG_CHARACTERS: &str = r"[\p{L}\p{Z}\p{N}_.:/=+@-]";

/// Whether the object has no repository in ECR: one that it only looks at is not its own. Until then name and
/// encryption may be corrected.
const NOT_CREATED: &str =
    "!has(oldSelf.status) || !has(oldSelf.status.arn) || has(oldSelf.status.ownership)";

/// Characters that do not show, or show the others in another order: no word of AWS has them. Tabs and
/// line ends may stand in a text.
const HIDDEN: &str = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\x{202a}-\x{202e}\x{2066}-\x{2069}]";

/// A text of AWS's that has no pattern of its own.
pub(super) fn shown() -> Rule {
    Rule::new(format!("!self.matches('{}')", HIDDEN.replace('\\', r"\\")))
        .message("has control characters or direction overrides, which do not show — remove them")
}

/// The rules on the whole object.
pub(super) fn object() -> Vec<Rule> {
    vec![
        short_object_name(),
        immutable_name(),
        immutable_encryption(),
    ]
}

/// 128 = 256 for a tag's value, less 63 for the cluster, 63 for the namespace and 2 slashes.
/// Checked at creation alone: a name never changes.
fn short_object_name() -> Rule {
    Rule::new("oldSelf.hasValue() || size(self.metadata.name) <= 128")
        .optional_old_self(true)
        .message("must be at most 128 characters, because it is part of the repository's owner tag — choose a shorter metadata.name; the repository's own name goes in spec.repositoryName")
        .field_path(".metadata.name")
}

/// A name that was derived may be written out, and that is all.
fn immutable_name() -> Rule {
    let bound = "has(oldSelf.status.repositoryName) \
        && self.spec.repositoryName == oldSelf.status.repositoryName";
    Rule::new(format!(
        "{NOT_CREATED} || (has(self.spec.repositoryName) \
        ? (has(oldSelf.spec.repositoryName) && self.spec.repositoryName == oldSelf.spec.repositoryName) || ({bound}) \
        : !has(oldSelf.spec.repositoryName))"
    ))
    .message("is immutable, because the repository exists (status.arn) — put back the former value; for another repository create another ECRRepository")
    .field_path(".spec.repositoryName")
    .reason(Reason::FieldValueForbidden)
}

/// ECR has no operation that changes encryption. Absent is the same as AES256, and a key's ARN the same as its id,
/// which no other key has, or as an alias of the repository's own account and region. Which key an alias stands
/// for is not known here.
fn immutable_encryption() -> Rule {
    let kind = |it: &str| {
        format!(
            "(has({it}.encryptionConfiguration) ? {it}.encryptionConfiguration.encryptionType : 'AES256')"
        )
    };
    let key = |it: &str| {
        format!(
            "(has({it}.encryptionConfiguration) && has({it}.encryptionConfiguration.kmsKey) \
            ? {it}.encryptionConfiguration.kmsKey : '')"
        )
    };
    let (now, before) = (key("self.spec"), key("oldSelf.spec"));
    Rule::new(format!(
        "{NOT_CREATED} || ({} == {} && ({now} == {before} || {} || {}))",
        kind("self.spec"),
        kind("oldSelf.spec"),
        is_arn_of(&now, &before),
        is_arn_of(&before, &now),
    ))
    .message("is immutable, because ECR cannot change the encryption of a repository that exists (status.arn) — put back the former value; for another encryption create another ECRRepository with another repositoryName and copy the images")
    .field_path(".spec.encryptionConfiguration")
    .reason(Reason::FieldValueForbidden)
}

/// Whether one is the ARN of what the other names. A list of both pairs would read better, and the API server
/// takes the words in one to be of any length.
fn is_arn_of(arn: &str, short: &str) -> String {
    let of_status =
        |field: &str| format!("(has(oldSelf.status.{field}) ? oldSelf.status.{field} : '?')");
    let (region, account) = (of_status("region"), of_status("registryId"));
    format!(
        "({short} != '' && ({short}.startsWith('alias/') \
        ? {arn}.endsWith(':kms:' + {region} + ':' + {account} + ':' + {short}) \
        : {arn}.endsWith(':key/' + {short})))"
    )
}

/// The rules that look at several fields of the spec.
pub(super) fn spec() -> Vec<Rule> {
    let with_exclusion =
        "(has(self.imageTagMutability) && self.imageTagMutability.endsWith('_WITH_EXCLUSION'))";
    let filters = "(has(self.imageTagMutabilityExclusionFilters) \
        && size(self.imageTagMutabilityExclusionFilters) > 0)";
    vec![
        Rule::new(format!("!{with_exclusion} || {filters}"))
            .message("a mode with exclusions needs filters — name at least one, or set imageTagMutability to MUTABLE or IMMUTABLE")
            .field_path(".imageTagMutabilityExclusionFilters")
            .reason(Reason::FieldValueRequired),
        Rule::new(format!("!{filters} || {with_exclusion}"))
            .message("filters need imageTagMutability MUTABLE_WITH_EXCLUSION or IMMUTABLE_WITH_EXCLUSION — set it, or remove the filters")
            .field_path(".imageTagMutabilityExclusionFilters")
            .reason(Reason::FieldValueForbidden),
    ]
}

/// A policy has a list of statements. The API server takes out a key that is misspelt, and tells only those
/// who ask for it: what is left must not mean that the policy in ECR is to go. `Statement` has no type, so that
/// CEL knows of it only where it knows of nothing.
pub(super) fn some_statement() -> Rule {
    Rule::new("'Statement' in dyn(self)")
        .message("names no statement, and a key that is misspelt is dropped — write Statement; where there shall be no policy, {Statement: []}")
        .field_path(".Statement")
        .reason(Reason::FieldValueRequired)
}

/// As for a policy.
pub(super) fn some_access() -> Rule {
    Rule::new("has(self.pull) || has(self.push)")
        .message("names neither pull nor push, and a key that is misspelt is dropped — write one of them; where nothing shall be granted, {pull: []}")
}

/// As for a policy.
pub(super) fn some_scanning() -> Rule {
    Rule::new("has(self.scanOnPush)")
        .message("is not said, and a key that is misspelt is dropped — write scanOnPush: true, or false for no scan on push")
        .field_path(".scanOnPush")
        .reason(Reason::FieldValueRequired)
}

/// The name of a class.
pub(super) fn class_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')")
        .message("must be the name of an ECRRepositoryClass — `kubectl get ecrclass` lists them")
}

/// What is opted out of.
pub(super) fn unmanaged() -> Rule {
    super::class_rules::unique()
}

/// The name in ECR; the API server itself says when it is too long. What is pasted from elsewhere has a
/// message of its own.
pub(super) fn repository_name() -> Vec<Rule> {
    vec![not_pasted(), Rule::new(format!(
        "self.matches('{PASTED}') || size(self) >= 2 && self.matches('^{NAME_PART}(/{NAME_PART})*$')"
    ))
    .message("must be 2 to 256 characters: lower-case letters and digits, with '.', '_', '__', '-' or '/' between them, such as payments/api")]
}

/// Neither the URI of a repository nor its ARN: the first would do as a name, and nobody wants that.
pub(super) fn not_pasted() -> Rule {
    Rule::new(format!("!self.matches('{PASTED}')"))
        .message("is the URI or the ARN of a repository — write its name alone, without registry, tag and digest, such as payments/api")
}

/// A pattern of tags.
pub(super) fn exclusion_filter() -> Vec<Rule> {
    vec![
        Rule::new("self.matches('^[0-9a-zA-Z._*-]+$')")
            .message("must be 1 to 128 letters, digits, '.', '_', '-' or '*', such as dev-*"),
        Rule::new("size(self.split('*')) <= 3").message("must have at most two '*'"),
    ]
}

/// A key of KMS goes with encryption by KMS.
pub(super) fn kms_key() -> Rule {
    Rule::new("!has(self.kmsKey) || self.encryptionType != 'AES256'")
        .message("AES256 takes no key — remove kmsKey, or set encryptionType to KMS or KMS_DSSE")
        .field_path(".kmsKey")
        .reason(Reason::FieldValueForbidden)
}

/// The name of a key (that there is one, `minLength` says), after <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html>.
pub(super) fn kms_key_id() -> Rule {
    Rule::new(
        "self.matches('^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[a-zA-Z0-9/_-]+|alias/[a-zA-Z0-9/_-]+|[a-zA-Z0-9-]*)$')",
    )
    .message("must be the ARN of a key or an alias of AWS KMS, a key's id, or alias/NAME")
}

/// Whom `access` may name. No wildcard: AWS takes none inside an ARN, and `*` alone is everybody.
pub(super) fn principal() -> Rule {
    Rule::new(
        r"self.matches('^([0-9]{12}|arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[^*?\\s\\p{C}]+)|[a-z0-9.-]+[.]amazonaws[.]com([.]cn)?)$')",
    )
    .message("must be an account id (111122223333), the ARN of an account's root, of a role or of a user (arn:aws:iam::111122223333:role/ci), or a service (codebuild.amazonaws.com) — for anything else write a statement in repositoryPolicy")
}

/// The keys of tags.
pub(super) fn tags() -> Vec<Rule> {
    let characters = TAG_CHARACTERS.replace('\\', r"\\");
    vec![
        Rule::new(format!(
            "self.all(k, size(k) <= 128 && k.matches('^{characters}+$'))"
        ))
        .message("keys must be 1 to 128 letters, digits, spaces or any of _ . : / = + - @"),
        Rule::new("self.all(k, !k.lowerAscii().startsWith('aws:'))")
            .message("keys must not begin with 'aws:', in any case: AWS reserves them — choose another key")
            .reason(Reason::FieldValueForbidden),
        Rule::new(format!("self.all(k, !k.lowerAscii().startsWith('{RESERVED_TAG_PREFIX}'))"))
            .message(format!("keys must not begin with '{RESERVED_TAG_PREFIX}', in any case: they are the operator's — choose another key").as_str())
            .reason(Reason::FieldValueForbidden),
    ]
}

/// The value of a tag.
pub(super) fn tag_value() -> Rule {
    let characters = TAG_CHARACTERS.replace('\\', r"\\");
    Rule::new(format!("self.matches('^{characters}*$')"))
        .message("must be letters, digits, spaces or any of _ . : / = + - @")
}

/// `from` goes with `TakeOver`.
pub(super) fn adoption() -> Vec<Rule> {
    vec![
        Rule::new("self.policy != 'TakeOver' || has(self.from)")
            .message("TakeOver must name the owner that it replaces — set from to the value of the repository's tag ecr-operator.dev/owner, <cluster>/<namespace>/<name>")
            .field_path(".from")
            .reason(Reason::FieldValueRequired),
        Rule::new("self.policy == 'TakeOver' || !has(self.from)")
            .message("only TakeOver takes an owner — remove from, or set policy to TakeOver")
            .field_path(".from")
            .reason(Reason::FieldValueForbidden),
    ]
}

/// The shape of the owner tag's value.
pub(super) fn owner() -> Rule {
    Rule::new("self.matches('^[a-z0-9.-]{1,63}/[a-z0-9-]{1,63}/[a-z0-9.-]{1,128}$')")
        .message("must be <cluster>/<namespace>/<name>, such as prod/payments/api")
}
