//! Patterns with wildcards.

/// One piece of a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// This character.
    Char(char),
    /// Any one character.
    Any,
    /// Any run of characters without `/`.
    Within,
    /// Any run of characters.
    Across,
}

/// Whether the pattern matches the whole text. The time is that of pattern times text, whatever the
/// pattern: one that is written to be slow is not.
pub(super) fn matches(pattern: &[Token], text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    // Which beginnings of the text the pattern so far can have eaten: the empty one first.
    let mut reached: Vec<bool> = std::iter::once(true)
        .chain(characters.iter().map(|_| false))
        .collect();
    for token in pattern {
        reached = step(*token, &characters, &reached);
    }
    reached.last().copied().unwrap_or(false)
}

fn step(token: Token, text: &[char], reached: &[bool]) -> Vec<bool> {
    let mut here = match token {
        Token::Char(_) | Token::Any => false,
        Token::Within | Token::Across => reached.first().copied().unwrap_or(false),
    };
    let mut next = vec![here];
    let ends = reached.iter().zip(reached.iter().skip(1));
    for (character, (before, at)) in text.iter().zip(ends) {
        here = match token {
            Token::Char(wanted) => *before && wanted == *character,
            Token::Any => *before,
            Token::Within => *at || (here && *character != '/'),
            Token::Across => *at || here,
        };
        next.push(here);
    }
    next
}

/// The tokens of a text in which `*` stays before `/`, and `**` does not.
pub(super) fn path_tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for character in text.chars() {
        match (character, tokens.last()) {
            ('*', Some(Token::Within | Token::Across)) => {
                tokens.pop();
                tokens.push(Token::Across);
            }
            ('*', _) => tokens.push(Token::Within),
            (character, _) => tokens.push(Token::Char(character)),
        }
    }
    tokens
}

/// The tokens of an action, after "IAM JSON policy elements: Action" of the IAM User Guide: `*` for
/// any run, `?` for any one; case makes no difference.
pub(super) fn action_tokens(text: &str) -> Vec<Token> {
    let token = |character: char| match character {
        '*' => Token::Across,
        '?' => Token::Any,
        other => Token::Char(other.to_ascii_lowercase()),
    };
    text.chars().map(token).collect()
}
