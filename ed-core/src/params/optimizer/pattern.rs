//! Patterns of names.

use crate::trace::SiteName;

/// A name in which `*` stands for any text, slashes and none at all included.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
}

impl Pattern {
    pub(super) fn new(text: impl Into<String>) -> Pattern {
        Pattern { text: text.into() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches any of some names.
    pub(super) fn is_known<'n>(&self, mut names: impl Iterator<Item = &'n SiteName>) -> bool {
        names.any(|name| self.matches(name.as_str()))
    }

    /// Whether the whole name is of this pattern.
    pub(super) fn matches(&self, name: &str) -> bool {
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The leftmost place of each part leaves the most for those that follow.
        for part in parts {
            let Some(place) = rest.find(part) else { return false };
            rest = &rest[place + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, holds) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "x/y", true),
            ("a/*", "a/b/c", true),
            ("a/*", "a", false),
            ("*/bias", "net/0/bias", true),
            ("*/bias", "net/bias/loc", false),
            ("*kernel*", "net/kernel/loc", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "", true),
            ("", "a", false),
            ("ä*", "äö", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), holds, "{pattern} {name}");
        }
    }
}
