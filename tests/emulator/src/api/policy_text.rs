//! The text in which ECR returns policies.

use serde_json::Value;

/// JSON that keeps its order: serde's map does so only under a feature that others choose.
pub(super) enum Node {
    Leaf(Value),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

pub(super) fn leaf(text: &str) -> Node {
    Node::Leaf(Value::from(text))
}

fn write(node: &Node, depth: usize, text: &mut String) {
    match node {
        Node::Leaf(value) => text.push_str(&value.to_string()),
        Node::List(items) if items.is_empty() => text.push_str("[ ]"),
        Node::List(items) => {
            text.push_str("[ ");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                write(item, depth, text);
            }
            text.push_str(" ]");
        }
        Node::Object(members) => {
            let members = members.iter().map(|(name, node)| (name.as_str(), node));
            write_object(members, depth, text);
        }
    }
}

pub(super) fn write_object<'a>(
    members: impl ExactSizeIterator<Item = (&'a str, &'a Node)>,
    depth: usize,
    text: &mut String,
) {
    if members.len() == 0 {
        return text.push_str("{ }");
    }
    text.push('{');
    for (index, (name, node)) in members.enumerate() {
        text.push_str(if index > 0 { ",\n" } else { "\n" });
        text.push_str(&"  ".repeat(depth + 1));
        text.push_str(&Value::from(name).to_string());
        text.push_str(" : ");
        write(node, depth + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push('}');
}
