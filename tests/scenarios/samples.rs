//! One sample of each aspect: two values, none, and what somebody else would write.

use ecr_emulator::Repository;
use serde_json::{Value, json};

use crate::world::World;

/// A way to ask for one aspect. The object that asks for it has the sample's name.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) aspect: &'static str,
    /// The operation that writes it.
    pub(crate) put: &'static str,
    pub(crate) first: Value,
    pub(crate) second: Value,
    /// The spec that asks for none, and the operation that sees to it.
    pub(crate) none: Option<(Value, &'static str)>,
    /// What somebody else does to it.
    outside: (&'static str, Value),
    /// How an event words what it then was.
    pub(crate) then: &'static str,
    held: fn(&Repository) -> Value,
    pub(crate) holds_first: Value,
    pub(crate) holds_second: Value,
}

impl Sample {
    /// What ECR holds of it now.
    pub(crate) fn held(&self, world: &World) -> Value {
        let repository = world.repository(self.name);
        (self.held)(&repository.unwrap_or_else(|| panic!("{} is not there", self.name)))
    }

    /// Changes it behind the operator's back; gives what ECR holds then.
    pub(crate) fn change_outside(&self, world: &World) -> Value {
        let (operation, mut input) = self.outside.clone();
        input["repositoryName"] = json!(world.in_ecr(self.name));
        world.outside(operation, input);
        let changed = self.held(world);
        assert_ne!(changed, self.holds_first, "it is another one now");
        changed
    }
}

pub(crate) fn all() -> [Sample; 5] {
    [mutability(), scanning(), lifecycle(), policy(), access()]
}

fn mutability() -> Sample {
    let excluded = |filters: &[&str]| -> Vec<Value> {
        filters
            .iter()
            .map(|f| json!({"filterType": "WILDCARD", "filter": f}))
            .collect()
    };
    Sample {
        name: "mutability",
        aspect: "imageTagMutability",
        put: "PutImageTagMutability",
        first: json!({
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": excluded(&["dev-*", "latest"]),
        }),
        second: json!({
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": excluded(&["latest"]),
        }),
        none: None,
        outside: (
            "PutImageTagMutability",
            json!({"imageTagMutability": "MUTABLE"}),
        ),
        then: "it was MUTABLE; repaired by PutImageTagMutability IMMUTABLE_WITH_EXCLUSION except \
               dev-*, latest",
        held: |r| json!([r.image_tag_mutability, r.exclusion_filters]),
        holds_first: json!(["IMMUTABLE_WITH_EXCLUSION", ["dev-*", "latest"]]),
        holds_second: json!(["IMMUTABLE_WITH_EXCLUSION", ["latest"]]),
    }
}

fn scanning() -> Sample {
    Sample {
        name: "scanning",
        aspect: "imageScanningConfiguration",
        put: "PutImageScanningConfiguration",
        first: json!({"imageScanningConfiguration": {"scanOnPush": true}}),
        second: json!({"imageScanningConfiguration": {"scanOnPush": false}}),
        none: Some((
            json!({"imageScanningConfiguration": {"scanOnPush": false}}),
            "PutImageScanningConfiguration",
        )),
        outside: (
            "PutImageScanningConfiguration",
            json!({"imageScanningConfiguration": {"scanOnPush": false}}),
        ),
        then: "it was scanOnPush=false; repaired by PutImageScanningConfiguration scanOnPush=true",
        held: |r| json!(r.scan_on_push),
        holds_first: json!(true),
        holds_second: json!(false),
    }
}

/// A lifecycle policy that keeps the last `count` images.
pub(crate) fn keep_last(count: i64) -> Value {
    json!({"rules": [{
        "rulePriority": 1,
        "description": "keep the last images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }]})
}

fn lifecycle() -> Sample {
    Sample {
        name: "lifecycle",
        aspect: "lifecyclePolicy",
        put: "PutLifecyclePolicy",
        first: json!({"lifecyclePolicy": keep_last(10)}),
        second: json!({"lifecyclePolicy": keep_last(20)}),
        none: Some((
            json!({"lifecyclePolicy": {"rules": []}}),
            "DeleteLifecyclePolicy",
        )),
        outside: (
            "PutLifecyclePolicy",
            json!({"lifecyclePolicyText": keep_last(99).to_string()}),
        ),
        then: r#""countNumber":99"#,
        held: |r| document(r.lifecycle_policy.as_deref()),
        holds_first: keep_last(10),
        holds_second: keep_last(20),
    }
}

/// A repository policy by which an account may pull.
pub(crate) fn pull_by(account: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement("Pull", account, &PULL)]})
}

const PULL: [&str; 3] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
];

fn statement(sid: &str, account: &str, actions: &[&str]) -> Value {
    let root = format!("arn:aws:iam::{account}:root");
    json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": root}, "Action": actions})
}

fn policy() -> Sample {
    // Longer than a note may be.
    let mut long = pull_by("999900001111");
    let roles: Vec<_> = (0..40)
        .map(|n| format!("arn:aws:iam::999900001111:role/role-{n:02}"))
        .collect();
    long["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:PrincipalArn": roles}});
    Sample {
        name: "policy",
        aspect: "repositoryPolicy",
        put: "SetRepositoryPolicy",
        first: json!({"repositoryPolicy": pull_by("111122223333")}),
        second: json!({"repositoryPolicy": pull_by("444455556666")}),
        none: Some((
            json!({"repositoryPolicy": {"Statement": []}}),
            "DeleteRepositoryPolicy",
        )),
        outside: (
            "SetRepositoryPolicy",
            json!({"policyText": long.to_string()}),
        ),
        then: "aws:PrincipalArn",
        held: |r| document(r.policy.as_deref()),
        holds_first: pull_by("111122223333"),
        holds_second: pull_by("444455556666"),
    }
}

fn access() -> Sample {
    let by = |account: &str| {
        json!({
            "Version": "2012-10-17",
            "Statement": [statement("EcrOperatorPull", account, &PULL)],
        })
    };
    Sample {
        name: "access",
        aspect: "repositoryPolicy",
        put: "SetRepositoryPolicy",
        first: json!({"access": {"pull": ["111122223333"]}}),
        second: json!({"access": {"pull": ["444455556666"]}}),
        none: Some((json!({"access": {"pull": []}}), "DeleteRepositoryPolicy")),
        outside: ("DeleteRepositoryPolicy", json!({})),
        then: "it was none; repaired by SetRepositoryPolicy",
        held: |r| document(r.policy.as_deref()),
        holds_first: by("111122223333"),
        holds_second: by("444455556666"),
    }
}

fn document(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

/// A spec with something of everything.
pub(crate) fn whole(count: i64) -> Value {
    json!({
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": true},
        "lifecyclePolicy": keep_last(count),
        "repositoryPolicy": pull_by("111122223333"),
        "tags": {"team": "payments"},
    })
}
