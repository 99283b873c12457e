//! Lifecycle policies and their previews.

use serde_json::{Value, json};

use super::taker::Taker;

/// A rule: what it is about, in the words of its selection.
fn rule(priority: u64, selection: Value) -> Value {
    json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
}

fn any(priority: u64) -> Value {
    rule(
        priority,
        json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5 }),
    )
}

fn days(count_type: &str, number: u64) -> Value {
    json!({ "tagStatus": "any", "countType": count_type, "countUnit": "days", "countNumber": number })
}

fn untagged(priority: u64) -> Value {
    let mut selection = days("sinceImagePushed", 5);
    selection["tagStatus"] = json!("untagged");
    rule(priority, selection)
}

/// A rule for images with tags like these.
fn tagged(priority: u64, list: &str, texts: &[&str]) -> Value {
    let mut rule = any(priority);
    rule["selection"]["tagStatus"] = json!("tagged");
    rule["selection"][list] = json!(texts);
    rule
}

/// The rule with another value somewhere.
fn with(mut rule: Value, place: &str, member: &str, value: Value) -> Value {
    rule.pointer_mut(place).unwrap()[member] = value;
    rule
}

fn transition(priority: u64, count_type: &str) -> Value {
    let mut rule = rule(priority, days(count_type, 5));
    rule["action"] = json!({ "type": "transition", "targetStorageClass": "archive" });
    rule
}

/// A rule that expires what has been in the archive for some days.
fn archived(priority: u64, number: u64) -> Value {
    let archive = json!("archive");
    with(
        rule(priority, days("sinceImageTransitioned", number)),
        "/selection",
        "storageClass",
        archive,
    )
}

fn many(count: u64) -> Value {
    let rule = |index| tagged(index, "tagPrefixList", &[&format!("p{index}")]);
    (1..=count).map(rule).collect()
}

impl Taker {
    pub(super) async fn lifecycle(&mut self) {
        let get = self.ecr.get_lifecycle_policy().repository_name(&self.name);
        let outcome = get.clone().send().await;
        self.refusal("get no lifecycle policy", outcome);
        self.no_previews().await;
        self.together().await;
        self.selections().await;
        self.actions().await;
        self.documents().await;
        self.put("rules in disorder", json!([any(9), untagged(2)]))
            .await;
        let outcome = get.send().await;
        self.note("get the lifecycle policy", outcome, |got| {
            let text = got.lifecycle_policy_text.unwrap();
            let policy: Value = serde_json::from_str(&text).unwrap();
            format!("first: {}", policy["rules"][0]["rulePriority"])
        });
        let start = self.ecr.start_lifecycle_policy_preview();
        let outcome = start.repository_name(&self.name).send().await;
        self.note("start a preview", outcome, |got| {
            format!("{:?}", got.status.unwrap())
        });
        let delete = self
            .ecr
            .delete_lifecycle_policy()
            .repository_name(&self.name);
        for step in [
            "delete the lifecycle policy",
            "delete the lifecycle policy again",
        ] {
            let outcome = delete.clone().send().await;
            self.refusal(step, outcome);
        }
    }

    async fn put(&mut self, step: &'static str, rules: Value) {
        self.put_text(step, json!({ "rules": rules }).to_string())
            .await;
    }

    async fn put_text(&mut self, step: &'static str, text: String) {
        let put = self.ecr.put_lifecycle_policy().repository_name(&self.name);
        let outcome = put.lifecycle_policy_text(text).send().await;
        self.refusal(step, outcome);
    }

    async fn no_previews(&mut self) {
        let start = self.ecr.start_lifecycle_policy_preview();
        let outcome = start.repository_name(&self.name).send().await;
        self.refusal("start a preview of no policy", outcome);
        let get = self.ecr.get_lifecycle_policy_preview();
        let outcome = get.repository_name(&self.name).send().await;
        self.refusal("get no preview", outcome);
    }

    async fn together(&mut self) {
        let prefix = |priority| tagged(priority, "tagPrefixList", &["a"]);
        for (step, rules) in [
            ("rules with a priority twice", json!([any(1), untagged(1)])),
            ("a rule for any before others", json!([any(1), untagged(2)])),
            ("two rules for any", json!([any(1), any(2)])),
            ("two rules for untagged", json!([untagged(1), untagged(2)])),
            (
                "two rules for the same prefix",
                json!([prefix(1), prefix(2)]),
            ),
            (
                "a rule for any of each storage class",
                json!([transition(1, "sinceImagePushed"), archived(2, 90)]),
            ),
            ("50 rules", many(50)),
            ("51 rules", many(51)),
        ] {
            self.put(step, rules).await;
        }
    }

    async fn selections(&mut self) {
        let five = tagged(1, "tagPatternList", &["*a*b*c*d*"]);
        let four = tagged(1, "tagPatternList", &["*a*b*c*"]);
        let prefixed = |rule| with(rule, "/selection", "tagPrefixList", json!(["a"]));
        let no_unit =
            json!({ "tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 5 });
        let bare = with(any(1), "/selection", "tagStatus", json!("tagged"));
        let set = |member, value| with(any(1), "/selection", member, value);
        for (step, rule) in [
            ("a rule for tagged without tags", bare),
            ("a rule for patterns and prefixes", prefixed(four.clone())),
            ("a pattern with four wildcards", four),
            ("a pattern with five wildcards", five),
            ("a rule for no prefixes", tagged(1, "tagPrefixList", &[])),
            ("a rule for untagged with a prefix", prefixed(untagged(1))),
            ("a rule for any with a prefix", prefixed(any(1))),
            (
                "a rule that counts in days",
                set("countUnit", json!("days")),
            ),
            ("a rule for days without a unit", rule(1, no_unit)),
            ("a rule that counts to none", set("countNumber", json!(0))),
            (
                "a rule that counts to a text",
                set("countNumber", json!("5")),
            ),
            (
                "a rule that counts otherwise",
                set("countType", json!("sinceLunch")),
            ),
            (
                "a rule for another status",
                set("tagStatus", json!("TAGGED")),
            ),
            (
                "a rule for the standard class",
                set("storageClass", json!("standard")),
            ),
            (
                "a rule that counts the archive",
                set("storageClass", json!("archive")),
            ),
        ] {
            self.put(step, json!([rule])).await;
        }
    }

    async fn actions(&mut self) {
        let action = |action| with(any(1), "", "action", action);
        for (step, rule) in [
            ("a rule that archives", transition(1, "sinceImagePulled")),
            (
                "a rule that expires by pulls",
                rule(1, days("sinceImagePulled", 5)),
            ),
            (
                "a rule that empties the archive after 90 days",
                archived(1, 90),
            ),
            (
                "a rule that empties the archive after 89 days",
                archived(1, 89),
            ),
            (
                "a rule that archives what is archived",
                transition(1, "sinceImageTransitioned"),
            ),
            (
                "a rule that archives nowhere",
                action(json!({ "type": "transition" })),
            ),
            ("a rule that keeps", action(json!({ "type": "keep" }))),
        ] {
            self.put(step, json!([rule])).await;
        }
    }

    async fn documents(&mut self) {
        let described = |length| with(any(1), "", "description", json!("x".repeat(length)));
        let padding = 30_720 - json!({ "rules": [described(0)] }).to_string().len();
        for (step, rules) in [
            ("no rules", json!([])),
            ("a rule of priority 0", json!([any(0)])),
            (
                "a rule with a member of another name",
                json!([with(any(1), "", "note", json!("n"))]),
            ),
            ("a rule with a description", json!([described(9)])),
            ("a policy of 30720 characters", json!([described(padding)])),
            (
                "a policy of 30721 characters",
                json!([described(padding + 1)]),
            ),
        ] {
            self.put(step, rules).await;
        }
        self.put_text("a lifecycle policy that is no JSON", "nope".repeat(30))
            .await;
        self.put_text("a lifecycle policy of 99 characters", "x".repeat(99))
            .await;
        let put = self
            .ecr
            .put_lifecycle_policy()
            .repository_name(self.named("none"));
        let text = json!({ "rules": [any(1)] }).to_string();
        let outcome = put.lifecycle_policy_text(text).send().await;
        self.refusal("a lifecycle policy of what is not there", outcome);
    }
}
