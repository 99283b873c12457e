//! A rule, read and written as ECR stores it.

use serde_json::Value;

use super::array;

/// A rule that fits the schema.
pub(super) struct Rule<'a> {
    pub(super) priority: u64,
    pub(super) description: Option<&'a str>,
    pub(super) tag_status: &'a str,
    pub(super) patterns: &'a [Value],
    pub(super) prefixes: &'a [Value],
    pub(super) storage_class: Option<&'a str>,
    pub(super) count_type: &'a str,
    pub(super) count_unit: Option<&'a str>,
    pub(super) count_number: u64,
    pub(super) action: &'a str,
    pub(super) target: Option<&'a str>,
}

impl<'a> Rule<'a> {
    /// Reads a rule that fits the schema; nothing is absent then that is required.
    pub(super) fn read(rule: &'a Value) -> Option<Self> {
        let selection = rule.get("selection")?.as_object()?;
        let action = rule.get("action")?;
        let text = |name: &str| selection.get(name).and_then(Value::as_str);
        Some(Self {
            priority: rule.get("rulePriority")?.as_u64()?,
            description: rule.get("description").and_then(Value::as_str),
            tag_status: text("tagStatus")?,
            patterns: array(selection, "tagPatternList"),
            prefixes: array(selection, "tagPrefixList"),
            storage_class: text("storageClass"),
            count_type: text("countType")?,
            count_unit: text("countUnit"),
            count_number: selection.get("countNumber")?.as_u64()?,
            action: action.get("type")?.as_str()?,
            target: action.get("targetStorageClass").and_then(Value::as_str),
        })
    }

    pub(super) fn class(&self) -> &str {
        self.storage_class.unwrap_or("standard")
    }

    /// Writes the rule compactly, in the order of AWS's own examples.
    pub(super) fn write(&self) -> String {
        let string = |text: &str| Value::from(text).to_string();
        let member = |name: &str, value: String| format!("\"{name}\":{value}");
        let list = |items: &[Value]| Value::from(items.to_vec()).to_string();
        let mut selection = vec![member("tagStatus", string(self.tag_status))];
        if !self.patterns.is_empty() {
            selection.push(member("tagPatternList", list(self.patterns)));
        }
        if !self.prefixes.is_empty() {
            selection.push(member("tagPrefixList", list(self.prefixes)));
        }
        selection.extend(
            self.storage_class
                .map(|class| member("storageClass", string(class))),
        );
        selection.push(member("countType", string(self.count_type)));
        selection.extend(
            self.count_unit
                .map(|unit| member("countUnit", string(unit))),
        );
        selection.push(member("countNumber", self.count_number.to_string()));
        let mut action = vec![member("type", string(self.action))];
        action.extend(
            self.target
                .map(|class| member("targetStorageClass", string(class))),
        );
        let mut rule = vec![member("rulePriority", self.priority.to_string())];
        rule.extend(
            self.description
                .map(|text| member("description", string(text))),
        );
        rule.push(member("selection", format!("{{{}}}", selection.join(","))));
        rule.push(member("action", format!("{{{}}}", action.join(","))));
        format!("{{{}}}", rule.join(","))
    }
}
