//! What a misspelt word was meant to be.

/// The word of these that is nearest to the one that was written, where that can be a slip: at most two
/// characters are another, too many, missing or in the wrong order, and one in a short word. Case is no
/// difference.
#[must_use]
pub(super) fn nearest<'a>(
    written: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).clamp(1, 2);
    let others = words.into_iter().filter(|word| *word != written);
    let near = others.filter_map(|word| {
        let far = distance(written, word);
        (far <= allowed).then_some((far, word))
    });
    near.min().map(|(_, word)| word)
}

/// How many characters are to be changed, added, taken away or swapped with their neighbour (optimal string
/// alignment), at most: words whose lengths differ by more are far from each other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut former = None;
    for (row, &of_a) in a.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, &of_b) in b.iter().enumerate() {
            let at =
                |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(of_a != of_b);
            let removed = at(&last, column + 1) + 1;
            let added = at(&next, column) + 1;
            let mut fewest = replaced.min(removed).min(added);
            if let Some(place) = column.checked_sub(1)
                && former == Some(of_b)
                && b.get(place) == Some(&of_a)
            {
                fewest = fewest.min(at(&before, place) + 1);
            }
            next.push(fewest);
        }
        former = Some(of_a);
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slip_is_told_from_another_word() {
        let words = ["prod", "production", "dev", "staging", "team-a", "team-b"];
        for (written, meant) in [
            ("prd", Some("prod")),
            ("pord", Some("prod")),
            ("Prod", Some("prod")),
            ("prods", Some("prod")),
            ("prodution", Some("production")),
            ("porduction", Some("production")),
            ("stagign", Some("staging")),
            ("satging", Some("staging")),
            ("deb", Some("dev")),
            ("prod", None),
            ("billing", None),
            ("team-c", Some("team-a")),
            ("x", None),
            ("", None),
            ("devdevdevdev", None),
        ] {
            assert_eq!(nearest(written, words), meant, "{written}");
        }
        assert_eq!(nearest("prod", []), None);
    }

    proptest! {
        #[test]
        fn one_slip_is_always_found(word in "[a-z]{4,12}", place in 0_usize..12, letter in "[a-z]", kind in 0..4) {
            let mut written: Vec<char> = word.chars().collect();
            let place = place % (written.len() - 1);
            match kind {
                0 => written[place] = letter.chars().next().unwrap(),
                1 => written.insert(place, letter.chars().next().unwrap()),
                2 => drop(written.remove(place)),
                _ => written.swap(place, place + 1),
            }
            let written: String = written.into_iter().collect();
            let expected = (written != word).then_some(word.as_str());
            prop_assert_eq!(nearest(&written, [word.as_str(), "0000000000000000000"]), expected);
        }

        #[test]
        fn there_and_back_are_as_far(a in "[ab]{0,6}", b in "[ab]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
        }
    }
}
