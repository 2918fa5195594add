//! Request parameters, read once and refused when repeated (RFC 6749 3.1 and 3.2).

use url::form_urlencoded;

/// The parameters of a request, from a query string or a form body. An empty value counts as omitted (RFC 6749 3.1).
#[derive(Clone, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

/// May stand several times (RFC 8707 2).
const REPEATABLE: &str = "resource";

impl Params {
    /// Reads `application/x-www-form-urlencoded` text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self { pairs: pairs.collect() }
    }

    /// The name of a parameter that stands more than once though it may not.
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let mut names = self.pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1] && pair[0] != REPEATABLE).map(|pair| pair[0])
    }

    /// The first value of `name` that is not empty.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Every value of `name` that is not empty.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Every name and value.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether `name` stands exactly once.
    pub(crate) fn stands_once(&self, name: &str) -> bool {
        self.pairs.iter().filter(|(own, _)| own == name).count() == 1
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self { pairs: pairs.into_iter().collect() }
    }
}

impl core::fmt::Debug for Params {
    /// Names only: values may be codes, secrets or tokens.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_named_unless_it_is_a_resource() {
        assert_eq!(Params::parse(b"a=1&b=2&a=3").repeated(), Some("a"));
        assert_eq!(Params::parse(b"resource=x&resource=y").repeated(), None);
    }

    #[test]
    fn an_empty_value_counts_as_omitted() {
        assert_eq!(Params::parse(b"state=").value("state"), None);
    }

    #[test]
    fn values_do_not_print() {
        assert!(!format!("{:?}", Params::parse(b"code=hush")).contains("hush"));
    }
}
