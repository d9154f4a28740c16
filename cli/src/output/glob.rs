//! Patterns of names: `*`, `?` and `[a-z]`, none of which crosses a slash.

use coracle::reference::Reference;

/// Whether `pattern` means `reference`: its repository, with or without a tag.
pub(crate) fn names(pattern: &str, reference: &Reference) -> bool {
    let familiar = reference.familiar();
    let repository = reference.repository.familiar();
    matches(pattern, &familiar)
        || matches(pattern, &repository)
        || matches(pattern, &reference.canonical())
}

/// Whether `pattern` matches the whole of `text`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    match_from(&pattern, &text)
}

fn match_from(pattern: &[char], text: &[char]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    if *first == '*' {
        let reach = text.iter().position(|c| *c == '/').unwrap_or(text.len());
        return (0..=reach).any(|skip| match_from(rest, &text[skip..]));
    }
    let Some((c, others)) = text.split_first() else {
        return false;
    };
    match first {
        '?' => *c != '/' && match_from(rest, others),
        '[' => match rest.iter().position(|p| *p == ']') {
            Some(end) => in_class(&rest[..end], *c) && match_from(&rest[end + 1..], others),
            None => false,
        },
        literal => literal == c && match_from(rest, others),
    }
}

fn in_class(class: &[char], c: char) -> bool {
    let (negated, class) = match class.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, class),
    };
    let in_range = class
        .windows(3)
        .any(|w| w[1] == '-' && (w[0]..=w[2]).contains(&c));
    (in_range || class.contains(&c)) != negated && c != '/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern, text, expected| {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        };
        check("python", "python", true);
        check("py*", "python", true);
        check("*", "team/app", false);
        check("*/a??", "team/app", true);
        check("3.1[0-2]", "3.12", true);
        check("3.1[^0-2]", "3.12", false);
        check("", "a", false);
        check("a[", "a[", false);
    }

    #[test]
    fn references_answer_to_short_and_long_patterns() {
        let reference: Reference = "python:3.12".parse().unwrap();
        for pattern in ["python", "python:3.*", "docker.io/library/python:3.12"] {
            assert!(names(pattern, &reference), "{pattern}");
        }
        assert!(!names("python:2.*", &reference));
    }
}
