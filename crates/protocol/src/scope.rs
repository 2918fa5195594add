//! Scopes (RFC 6749 3.3), whatever separates them on the wire.

/// A list of scopes: order kept, none twice, none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads scopes separated by white space or commas, as people type them.
    #[must_use]
    pub fn parse_list(text: &str) -> Self {
        text.split(|c: char| c == ',' || c.is_whitespace()).collect()
    }

    /// Reads scopes as a server sends them, with the separator it uses (RFC 6749 3.3: one space).
    #[must_use]
    pub fn parse_separated(text: &str, separator: &str) -> Self {
        if separator.trim().is_empty() {
            text.split_whitespace().collect()
        } else {
            text.split(separator).collect()
        }
    }

    /// The scopes joined by `separator`.
    #[must_use]
    pub fn join(&self, separator: &str) -> String {
        self.0.join(separator)
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Whether each of them is among `others`.
    #[must_use]
    pub fn is_subset_of(&self, others: &Self) -> bool {
        self.0.iter().all(|scope| others.contains(scope))
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut list = Self::default();
        for scope in scopes {
            let scope = scope.trim();
            if !scope.is_empty() && !list.contains(scope) {
                list.0.push(scope.to_owned());
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_separate_scopes_by_commas_or_spaces() {
        assert_eq!(Scopes::parse_list("repo, user  repo").join(" "), "repo user");
        assert!(Scopes::parse_list(" , ").is_empty());
    }

    #[test]
    fn a_scope_may_hold_a_comma_where_spaces_separate() {
        assert_eq!(Scopes::parse_separated("a,b c", " ").iter().collect::<Vec<_>>(), ["a,b", "c"]);
    }
}
