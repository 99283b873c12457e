//! The policies of repositories.

use serde_json::{Value, json};

use super::taker::Taker;

fn statement() -> Value {
    json!({ "Sid": "s", "Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage" })
}

/// The statement with another value for one of its members, or without it.
fn with(member: &str, value: Value) -> Value {
    let mut statement = statement();
    if value.is_null() {
        statement.as_object_mut().unwrap().remove(member);
    } else {
        statement[member] = value;
    }
    statement
}

fn policy(statements: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn version(version: &str) -> String {
    json!({ "Version": version, "Statement": [statement()] }).to_string()
}

/// A policy of that many bytes.
fn of_length(length: usize) -> String {
    let condition =
        |filler: usize| json!({ "StringEquals": { "aws:PrincipalTag/t": "x".repeat(filler) } });
    let shortest = policy(json!([with("Condition", condition(0))])).len();
    policy(json!([with("Condition", condition(length - shortest))]))
}

impl Taker {
    pub(super) async fn policies(&mut self) {
        let get = self.ecr.get_repository_policy().repository_name(&self.name);
        let outcome = get.clone().send().await;
        self.refusal("get no policy", outcome);
        self.texts().await;
        self.statements().await;
        self.set("set a policy", policy(json!([statement()]))).await;
        let outcome = get.clone().send().await;
        self.note("get the policy", outcome, |got| {
            let lines = got.policy_text().unwrap().contains("\n  \"Version\" : ");
            format!("on lines: {lines}")
        });
        let principal = with("Principal", json!({ "AWS": ["123456789012"] }));
        self.set("set a policy for an account", policy(json!([principal])))
            .await;
        let outcome = get.send().await;
        self.note("get the policy for an account", outcome, |got| {
            let root = got
                .policy_text()
                .unwrap()
                .contains("arn:aws:iam::123456789012:root");
            format!("as ARN: {root}")
        });
        let mut all = with("Effect", json!("Allow"));
        all["Action"] = json!("ecr:*");
        self.set("set a policy for all actions", policy(json!([all])))
            .await;
        self.nowhere().await;
        let delete = self
            .ecr
            .delete_repository_policy()
            .repository_name(&self.name);
        let outcome = delete.clone().send().await;
        self.refusal("delete the policy", outcome);
        let outcome = delete.send().await;
        self.refusal("delete the policy again", outcome);
    }

    async fn set(&mut self, step: &'static str, text: String) {
        let set = self.ecr.set_repository_policy().repository_name(&self.name);
        let outcome = set.policy_text(text).send().await;
        self.refusal(step, outcome);
    }

    async fn texts(&mut self) {
        for (step, text) in [
            ("set a policy that is no JSON", "{nope".to_owned()),
            ("set an empty policy", String::new()),
            ("set a policy that is a list", "[]".to_owned()),
            ("set a policy without statements", policy(json!([]))),
            (
                "set a policy with one statement, no list",
                policy(statement()),
            ),
            (
                "set a policy with a Sid twice",
                policy(json!([statement(), statement()])),
            ),
            ("set a policy of 2008", version("2008-10-17")),
            ("set a policy of 2020", version("2020-10-17")),
            ("set a policy of 10240 characters", of_length(10240)),
            ("set a policy of 10241 characters", of_length(10241)),
        ] {
            self.set(step, text).await;
        }
    }

    async fn statements(&mut self) {
        let resource = "arn:aws:ecr:eu-central-1:123456789012:repository/a";
        for (step, member, value) in [
            ("set a policy without effect", "Effect", Value::Null),
            (
                "set a policy with another effect",
                "Effect",
                json!("Permit"),
            ),
            ("set a policy without principal", "Principal", Value::Null),
            (
                "set a policy for everyone of AWS",
                "Principal",
                json!({ "AWS": "*" }),
            ),
            (
                "set a policy for a service",
                "Principal",
                json!({ "Service": "lambda.amazonaws.com" }),
            ),
            (
                "set a policy for a principal of another kind",
                "Principal",
                json!({ "Martian": "*" }),
            ),
            (
                "set a policy for a short account",
                "Principal",
                json!({ "AWS": "1234" }),
            ),
            ("set a policy without action", "Action", Value::Null),
            (
                "set a policy for actions of another service",
                "Action",
                json!("s3:GetObject"),
            ),
            (
                "set a policy for tokens",
                "Action",
                json!("ecr:GetAuthorizationToken"),
            ),
            (
                "set a policy for an action that is none",
                "Action",
                json!("ecr:Nope"),
            ),
            ("set a policy for a resource", "Resource", json!(resource)),
            (
                "set a policy with a member of another name",
                "Effects",
                json!("Deny"),
            ),
            (
                "set a policy with another operator",
                "Condition",
                json!({ "Fits": { "a": "b" } }),
            ),
        ] {
            self.set(step, policy(json!([with(member, value)]))).await;
        }
    }

    /// Where there is no repository, and where nobody could set another policy.
    async fn nowhere(&mut self) {
        let set = self.ecr.set_repository_policy();
        let plain = set.clone().policy_text(policy(json!([statement()])));
        let outcome = plain.repository_name(self.named("none")).send().await;
        self.refusal("set a policy of what is not there", outcome);
        let locks = policy(json!([with("Action", json!("ecr:SetRepositoryPolicy"))]));
        let locks = set
            .repository_name(self.named("scanned"))
            .policy_text(locks);
        let outcome = locks.clone().send().await;
        self.refusal("set a policy that locks out", outcome);
        let outcome = locks.force(true).send().await;
        self.refusal("set a policy that locks out by force", outcome);
    }
}
