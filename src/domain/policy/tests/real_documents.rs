//! Documents as people have them in public, with other accounts and names: which are sent, and what is said of
//! those that ECR refuses.

use serde_json::{Value, json};

use super::{ACCOUNT, document, stored, wanted, with};
use crate::domain::operations::OPERATIONS;
use crate::domain::policy::Document;

const PULL: [&str; 3] = [
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
    "ecr:BatchCheckLayerAvailability",
];

/// Of modules for Terraform, of AWS's guides for ECR, Lambda, `CodeBuild`, `SageMaker` and Batch, of the CDK and of
/// blogs.
fn taken() -> Vec<Value> {
    let org = json!({"StringLike": {"aws:PrincipalOrgID": ["o-abcdefghij"]}});
    let lambda = json!({"StringLike": {"aws:sourceArn": "arn:aws:lambda:us-east-1:111122223333:function:*"}});
    let codebuild = json!({"ArnLike": {"aws:SourceArn": "arn:aws:codebuild:us-east-1:111122223333:project/x"},
        "StringEquals": {"aws:SourceAccount": "111122223333"}});
    let address = json!({"NotIpAddress": {"aws:SourceIp": "54.240.143.188/32"}, "IpAddress": {"aws:SourceIp": "54.240.143.0/24"}});
    let via =
        json!({"ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}});
    let tls = json!({"Bool": {"aws:SecureTransport": false}});
    let unnamed = json!({"Null": {"aws:PrincipalTag/team": true}});
    let paths = json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"]}});
    let tagged =
        json!({"StringEqualsIfExists": {"aws:ResourceTag/env": "${aws:PrincipalTag/env}"}});
    let since = json!({"DateGreaterThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}});
    let size = json!({"NumericLessThanEquals": {"aws:MultiFactorAuthAge": 3600}});
    let members = [
        json!({"Sid": "AllowPull", "Principal": {"AWS": [format!("arn:aws:iam::{ACCOUNT}:user/pull-user-1"), format!("arn:aws:iam::{ACCOUNT}:user/pull-user-2")]}, "Action": PULL}),
        json!({"Sid": "AllowCrossAccountPush", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": ["ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"]}),
        json!({"Sid": "AllowAll", "Principal": {"AWS": "444455556666"}, "Action": "ecr:*"}),
        json!({"Sid": "IPAllow", "Principal": "*", "Action": "ecr:*", "Condition": address}),
        json!({"Sid": "CodeBuildAccess", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Condition": codebuild}),
        json!({"Sid": "LambdaECRImageRetrievalPolicy", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy", "ecr:GetRepositoryPolicy"], "Condition": lambda}),
        json!({"Sid": "AllowPullOrg", "Principal": "*", "Action": PULL, "Condition": org}),
        json!({"Sid": "new statement", "Principal": {"AWS": "*"}, "Action": ["ECR:GetDownloadUrlForLayer", "ecr:batchgetimage"], "Condition": paths}),
        json!({"Sid": "allow push/pull from accounts", "Principal": {"AWS": ["444455556666", "777788889999"]}, "Action": ["ecr:Get*", "ecr:Batch*", "ecr:List*", "ecr:Describe*"]}),
        json!({"Sid": "für.a:b", "Effect": "Deny", "Principal": "*", "Action": "ecr:BatchDeleteImage", "Condition": tls}),
        json!({"Sid": "", "Principal": {"AWS": "arn:aws:sts::444455556666:assumed-role/ci/session"}, "Action": "ecr:PutImage"}),
        json!({"Sid": null, "Principal": {"AWS": "arn:aws:sts::444455556666:federated-user/bob"}, "Action": "ecr:List?mages"}),
        json!({"Principal": {"AWS": "arn:aws:iam::444455556666:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"}, "Action": PULL}),
        json!({"Principal": {"AWS": "arn:aws-cn:iam::444455556666:role/ci", "Service": ["ecs-tasks.amazonaws.com", "sagemaker.amazonaws.com", "codebuild.cn-north-1.amazonaws.com.cn"]}, "Action": PULL}),
        json!({"Principal": null, "NotPrincipal": {"AWS": ["arn:aws:iam::111122223333:role/ci", "111122223333"]}, "Effect": "Deny", "Action": "ecr:PutImage"}),
        json!({"Action": null, "NotAction": ["ecr:BatchGetImage", "ecr:Get*"], "Effect": "Deny", "Condition": via}),
        json!({"Action": "*"}),
        json!({"Action": "ecr:Rep*"}),
        json!({"Action": "*:*"}),
        json!({"Condition": {}}),
        json!({"Condition": unnamed}),
        json!({"Condition": tagged}),
        json!({"Condition": since}),
        json!({"Condition": size}),
        json!({"Condition": {"streq": {"aws:SourceVpce": "vpce-1a2b3c4d"}}}),
        json!({"Condition": {"BinaryEquals": {"k": "QmluYXJ5"}, "ArnNotLikeIfExists": {"aws:PrincipalArn": ["arn:aws:iam::111122223333:role/*"]}}}),
        // What nobody says for certain, one way or the other.
        json!({"Action": ["ecr:GetAuthorizationToken", "ecr:BatchGetImage"]}),
        json!({"Principal": {"AWS": "AIDACKCEVSQ6C2EXAMPLE"}}),
        json!({"Principal": {"AWS": "AROAEXAMPLEEXAMPLE123"}}),
        json!({"Principal": {"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE"}}),
        json!({"Principal": {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}}),
        json!({"Principal": {"Federated": "cognito-identity.amazonaws.com"}}),
        json!({"Principal": {"Service": "alexa-appkit.amazon.com"}}),
        json!({"Principal": {"Service": "lambda"}}),
    ];
    members.into_iter().map(with).collect()
}

#[test]
fn what_ecr_takes_or_may_take_is_sent_as_it_was_written() {
    for asked in taken() {
        let sent = document(wanted(asked.clone()));
        assert_eq!(sent, stored(&asked), "{asked}");
        assert_eq!(sent, Document::stored(&sent.text()), "{asked}");
    }
}

#[test]
fn every_action_of_ecr_is_taken_however_it_is_written() {
    for name in OPERATIONS {
        for action in [
            format!("ecr:{name}"),
            format!("ECR:{}", name.to_lowercase()),
            format!("ecr:{}*", &name[..4]),
            format!("ecr:?{}", &name[1..]),
            format!("ecr:*{}", &name[3..]),
        ] {
            for key in ["Action", "NotAction"] {
                let members = json!({"Action": null, key: ["ecr:PutImage", action]});
                document(wanted(with(members)));
            }
        }
    }
}

const AT: &str = "spec.repositoryPolicy.Statement[0]";

/// The message begins with the word that is wrong, and says what is wrong with it and what to do.
fn is_refused(members: Value, message: &str) {
    let policy = with(members);
    let refusal = wanted(policy.clone()).unwrap_err().to_string();
    assert!(
        refusal.starts_with(message),
        "{policy}\n  says  {refusal}\n  not   {message}"
    );
    // Whoever stored it nevertheless, it is read for what it is.
    assert!(stored(&policy).is_understood());
}

#[test]
fn an_action_that_is_none_is_said() {
    const ELSE: &str = "correct it, or remove it";
    let meant = |word: &str| format!("did you mean `{word}`?");
    for (word, cure) in [
        (
            "ecr:BatchCheckLaterAvailability",
            meant("ecr:BatchCheckLayerAvailability"),
        ),
        (
            "ecr:GetAuthoirizationToken",
            meant("ecr:GetAuthorizationToken"),
        ),
        (
            "ecr:GetDownloadUrlForLayers",
            meant("ecr:GetDownloadUrlForLayer"),
        ),
        ("ecr:DescribeImage", meant("ecr:DescribeImages")),
        ("erc:BatchGetImage", meant("ecr:BatchGetImage")),
        ("ecr:Frobnicate", ELSE.to_owned()),
        ("ecr:Frob*", ELSE.to_owned()),
        ("ecr:", ELSE.to_owned()),
        ("ecr-public:GetAccountSettings", ELSE.to_owned()),
        ("logs:CreateLogStream", ELSE.to_owned()),
    ] {
        for key in ["Action", "NotAction"] {
            is_refused(
                json!({"Action": null, key: ["ecr:BatchGetImage", word]}),
                &format!("`{word}` is no action of ECR, at {AT}.{key}[1] — {cure}"),
            );
        }
    }
}

#[test]
fn a_space_is_said() {
    let role = "arn:aws:iam::111122223333:role/ci";
    for (members, word, place) in [
        (
            json!({"Action": ["ecr:PutImage", "ecr: ListImages"]}),
            "ecr: ListImages",
            "Action[1]",
        ),
        (
            json!({"Action": null, "NotAction": "ecr:PutImage\n"}),
            "ecr:PutImage\n",
            "NotAction",
        ),
        (
            json!({"Principal": {"AWS": format!("{role} ")}}),
            "arn:aws:iam::111122223333:role/ci ",
            "Principal.AWS",
        ),
        (
            json!({"Principal": {"Service": ["a.amazonaws.com", "b .amazonaws.com"]}}),
            "b .amazonaws.com",
            "Principal.Service[1]",
        ),
        (
            json!({"Condition": {"Bool": {"k": true}, "StringEquals ": {"k": "x"}}}),
            "StringEquals ",
            "Condition",
        ),
    ] {
        let without: String = word.split_whitespace().collect();
        is_refused(
            members,
            &format!("`{word}` has a space in it, at {AT}.{place} — write `{without}`"),
        );
    }
}

#[test]
fn a_principal_that_is_nobody_is_said() {
    let of_iam = "is no ARN of IAM or STS with an account id of 12 digits";
    let an_arn = "is no ARN of a root, a role, a user or a session";
    for (word, what) in [
        ("arn:aws:iam::root", of_iam),
        ("arn:aws:iam:111122223333:root", of_iam),
        ("arn:aws:iam::11112222333:role/ci", of_iam),
        ("arn:aws:iam::${account}:root", of_iam),
        ("arn:azure:iam::111122223333:root", of_iam),
        ("arn:aws:s3:::bucket", of_iam),
        ("arn:aws:iam::111122223333:ci", an_arn),
        ("arn:aws:iam::111122223333:role/", an_arn),
        ("arn:aws:iam::111122223333:group/devs", an_arn),
        ("arn:aws:iam::111122223333:policy/p", an_arn),
        ("arn:aws:sts::111122223333:role/ci", an_arn),
        ("11112222333", "is no account id of 12 digits"),
        ("1111-2222-3333", "is no account id of 12 digits"),
        ("o-abcdefghij", "is an organisation and no principal"),
        ("lambda.amazonaws.com", "is a service and no account"),
        ("root", "is no account, role, user or session"),
    ] {
        for key in ["Principal", "NotPrincipal"] {
            is_refused(
                json!({"Principal": null, key: {"AWS": [ACCOUNT, word]}}),
                &format!("`{word}` {what}, at {AT}.{key}.AWS[1] — write "),
            );
        }
    }
    is_refused(
        json!({"Principal": {"Service": "*"}}),
        &format!("`*` is no service, at {AT}.Principal.Service — name each"),
    );
}

#[test]
fn an_operator_that_is_none_is_said() {
    for (word, cure) in [
        ("Foo", "write one of IAM's, such as StringEquals"),
        ("StringEqual", "did you mean `StringEquals`?"),
        (
            "ForAnyValues:StringLike",
            "did you mean `ForAnyValue:StringLike`?",
        ),
    ] {
        is_refused(
            json!({"Condition": {"Bool": {"k": true}, word: {"k": "x"}}}),
            &format!("`{word}` is no operator of conditions, at {AT}.Condition — {cure}"),
        );
    }
}

#[test]
fn an_empty_list_of_statements_is_none_and_leaves_access() {
    use crate::api::Access;
    use crate::domain::policy::with_access;
    use crate::domain::setting::Setting;

    for policy in [
        json!({"Statement": []}),
        json!({"Version": "2008-10-17", "Id": "x", "Statement": []}),
    ] {
        assert_eq!(wanted(policy.clone()), Ok(Setting::Absent), "{policy}");
        let access = Access {
            pull: Some(vec![ACCOUNT.to_owned()]),
            push: None,
        };
        assert_eq!(
            with_access(Some(&super::map(policy)), Some(&access), &super::own()),
            with_access(None, Some(&access), &super::own())
        );
    }
}

#[test]
fn suspects_are_what_nobody_knows_for_certain_and_who_may_be_new() {
    let role = |name: &str| format!("arn:aws:iam::444455556666:role/{name}");
    let many: Vec<String> = ["a", "b", "c", "d", "e"].map(role).into();
    let token = "`ecr:GetAuthorizationToken`, which is about no repository: it belongs into the policies of \
                 those who pull";
    for (members, suspects) in [
        (json!({"Principal": "*"}), None),
        (
            json!({"Principal": {"Service": "lambda.amazonaws.com"}}),
            None,
        ),
        (
            json!({"Principal": "*", "Action": ["ecr:GetAuthorizationToken", "ecr:BatchGetImage"]}),
            Some(token.to_owned()),
        ),
        (
            json!({"Action": "ECR:getauthorizationtoken"}),
            Some(format!(
                "{token}; then at {ACCOUNT} (unknown to AWS if it is gone or new)"
            )),
        ),
        (
            json!({"Principal": {"AWS": ["AIDACKCEVSQ6C2EXAMPLE", role("new")], "Service": "lambda"}}),
            Some(format!(
                "lambda (no name of a service); then at AIDACKCEVSQ6C2EXAMPLE (an id in the place of an ARN); \
                 then at {} (unknown to AWS if it is gone or new)",
                role("new")
            )),
        ),
        (
            json!({"Principal": {"AWS": many}}),
            Some(format!(
                "{}, {}, {} and 2 more (unknown to AWS if it is gone or new)",
                role("a"),
                role("b"),
                role("c")
            )),
        ),
        (
            json!({"Principal": {"Federated": "accounts.google.com"}}),
            Some("accounts.google.com (not among what ECR is known to take)".to_owned()),
        ),
    ] {
        let policy = with(members);
        let said = document(wanted(policy.clone())).suspects();
        assert_eq!(
            said,
            suspects.map(|it| format!("look first at {it}")),
            "{policy}"
        );
    }
    let long = json!({"Principal": {"AWS": (0..9).map(|n| role(&format!("{n}{}", "x".repeat(400)))).collect::<Vec<_>>(),
        "Federated": (0..9).map(|n| format!("{n}{}", "é".repeat(400))).collect::<Vec<_>>()}});
    let said = document(wanted(with(long))).suspects().unwrap();
    assert!(said.chars().count() < 530, "{said}");
    assert_eq!(Document::stored("{}").suspects(), None);
}
