//! The placeholders of a provider's addresses: what each may hold, and the addresses they make.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// No value is longer, in bytes: a host name cannot be (RFC 1035 2.3.4).
const MAX_LEN: usize = 253;

/// A placeholder of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// What it may hold.
    pub kind: VariableKind,
    /// A good value, shown in errors and forms.
    pub example: String,
    /// What the form in the popup calls it; its name, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The value where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The domains a `host` may be or lie below, or the values a `region` may take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// What follows a `dns_label` in the address, and may be typed with it: `.myshopify.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// The callback's parameter that carries it. A value the application gave must equal that; where it gave none, it is
    /// taken from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_param: Option<String>,
}

/// What a variable may hold: closed, so that no value reaches another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// One DNS label: 2 to 63 letters, digits and inner hyphens.
    DnsLabel,
    /// A host name of two or more labels, no address and no port; where `allowed` is given, equal to or below one of
    /// those.
    Host,
    /// One of `allowed`.
    Region,
    /// One path segment of 1 to 128 unreserved characters (RFC 3986 2.3).
    PathSegment,
}

/// Why the values given for a provider's variables cannot be used. The sentence names the variable and a good value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// The provider needs it, and nobody gave it.
    #[error("\"{variable}\" is missing: {expected}, such as \"{example}\"")]
    Missing {
        /// Its name.
        variable: String,
        /// What it may hold.
        expected: &'static str,
        /// A good value.
        example: String,
    },
    /// It holds what it may not.
    #[error("\"{variable}\" must be {expected}, such as \"{example}\"")]
    Refused {
        /// Its name.
        variable: String,
        /// What it may hold.
        expected: &'static str,
        /// A good value.
        example: String,
    },
    /// The provider knows no such variable.
    #[error("\"{variable}\" is not a parameter of this provider")]
    Unknown {
        /// The name that was given.
        variable: String,
    },
    /// The callback speaks of another value than the attempt began with.
    #[error("the provider answered for another \"{variable}\" than the one asked for")]
    Changed {
        /// Its name.
        variable: String,
    },
}

impl VariableError {
    /// The name of the variable.
    #[must_use]
    pub fn variable(&self) -> &str {
        match self {
            Self::Missing { variable, .. }
            | Self::Refused { variable, .. }
            | Self::Unknown { variable }
            | Self::Changed { variable } => variable,
        }
    }
}

impl Variable {
    /// Checks one value and brings it into its one spelling: no white space around it, host names in lower case,
    /// without `https://` and path where a whole address was pasted, without the suffix.
    pub fn parse(&self, name: &str, value: &str) -> Result<String, VariableError> {
        self.normalise(value).ok_or_else(|| VariableError::Refused {
            variable: name.to_owned(),
            expected: self.expected(),
            example: self.example.clone(),
        })
    }

    /// Whether its value may lead to any host at all.
    pub(crate) fn is_free_host(&self) -> bool {
        self.kind == VariableKind::Host && self.allowed.is_empty()
    }

    /// Whether the entry's own words about it hold.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.normalise(&self.example).is_none() {
            return Err("has an example that it would refuse");
        }
        if self.default.as_ref().is_some_and(|default| self.normalise(default).is_none()) {
            return Err("has a default that it would refuse");
        }
        if self.kind == VariableKind::Region && self.allowed.is_empty() {
            return Err("is a region without allowed values");
        }
        Ok(())
    }

    fn normalise(&self, value: &str) -> Option<String> {
        let value = value.trim();
        if value.is_empty() || value.len() > 2 * MAX_LEN {
            return None;
        }
        let value = match self.kind {
            VariableKind::Region => return self.allowed.iter().find(|allowed| *allowed == value).cloned(),
            VariableKind::PathSegment => return is_path_segment(value).then(|| value.to_owned()),
            VariableKind::DnsLabel | VariableKind::Host => host_of_pasted_address(value).to_ascii_lowercase(),
        };
        if self.kind == VariableKind::DnsLabel {
            let label =
                self.suffix.as_deref().and_then(|suffix| value.strip_suffix(suffix)).unwrap_or(&value);
            return (label.len() >= 2 && is_dns_label(label)).then(|| label.to_owned());
        }
        let below = |domain: &String| {
            value.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let allowed = self.allowed.is_empty() || self.allowed.iter().any(below);
        (allowed && is_host_name(&value)).then_some(value)
    }

    fn expected(&self) -> &'static str {
        match self.kind {
            VariableKind::DnsLabel => "one name of 2 to 63 letters, digits and inner hyphens",
            VariableKind::Host if self.allowed.is_empty() => "a host name, without port or path",
            VariableKind::Host => "a host name of this provider, without port or path",
            VariableKind::Region => "one of the values this provider knows",
            VariableKind::PathSegment => "1 to 128 letters, digits, dots, hyphens, underscores and tildes",
        }
    }
}

/// People paste whole addresses. Only https is understood, so that nothing else is taken for a host by mistake.
fn host_of_pasted_address(value: &str) -> &str {
    value.strip_prefix("https://").map_or(value, |rest| rest.split('/').next().unwrap_or(rest))
}

fn is_dns_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_host_name(host: &str) -> bool {
    let top_level = host.rsplit('.').next().unwrap_or_default();
    // A last label that begins with a digit is how every spelling of an IPv4 address ends.
    host.len() <= MAX_LEN
        && host.contains('.')
        && host.split('.').all(is_dns_label)
        && !top_level.starts_with(|c: char| c.is_ascii_digit())
}

fn is_path_segment(segment: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    segment.len() <= 128 && segment.bytes().all(unreserved) && !matches!(segment, "." | "..")
}

/// Checked and normalised values of a provider's variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableValues(BTreeMap<String, String>);

impl VariableValues {
    /// Checks given values: none unknown, none missing that only the application can give, each of its kind. A default
    /// is not filled in here but where the value is used, so that the callback can still bring it.
    pub(crate) fn parse(
        variables: &BTreeMap<String, Variable>,
        given: &BTreeMap<String, String>,
    ) -> Result<Self, VariableError> {
        let mut values = BTreeMap::new();
        for (name, value) in given {
            let variable =
                variables.get(name).ok_or_else(|| VariableError::Unknown { variable: name.clone() })?;
            values.insert(name.clone(), variable.parse(name, value)?);
        }
        Ok(Self(values))
    }

    /// The value of a variable, if one was given.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable, or its default.
    pub(crate) fn require<'a>(
        &'a self,
        variables: &'a BTreeMap<String, Variable>,
        name: &str,
    ) -> Result<&'a str, VariableError> {
        let variable = variables.get(name);
        let default = || variable.and_then(|variable| variable.default.as_deref());
        self.find(name).or_else(default).ok_or_else(|| VariableError::Missing {
            variable: name.to_owned(),
            expected: variable.map_or("a value", Variable::expected),
            example: variable.map(|variable| variable.example.clone()).unwrap_or_default(),
        })
    }

    /// Every given value by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// These values and those that the callback's parameters carry.
    ///
    /// # Errors
    /// A parameter holds what its variable may not, or another value than was given.
    pub fn with_callback(
        mut self,
        variables: &BTreeMap<String, Variable>,
        param: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, VariableError> {
        for (name, variable) in variables {
            let Some(answered) = variable.callback_param.as_deref().and_then(&param) else { continue };
            let answered = variable.parse(name, &answered)?;
            match self.0.get(name) {
                Some(given) if *given != answered => {
                    return Err(VariableError::Changed { variable: name.clone() });
                }
                Some(_) => {}
                None => {
                    self.0.insert(name.clone(), answered);
                }
            }
        }
        Ok(self)
    }
}

/// An https address that may hold `{variable}` placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UrlTemplate(String);

impl UrlTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// The text, with its placeholders filled, is not an https address (http is understood on loopback), or holds a user
    /// name or a fragment.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const PROBLEM: &str =
            "must be an https address without user name and fragment (http only on loopback)";
        if text.matches('{').count() != text.matches('}').count() {
            return Err("has an unfinished placeholder");
        }
        let template = Self(text.to_owned());
        let url = Url::parse(&template.fill(|_| Some("xx")).ok_or(PROBLEM)?).map_err(|_| PROBLEM)?;
        let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
            || url.host_str().is_some_and(|host| host.starts_with("127.") || host.ends_with(".localhost"));
        let scheme_holds = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        if !scheme_holds || !url.username().is_empty() || url.password().is_some() || url.fragment().is_some()
        {
            return Err(PROBLEM);
        }
        Ok(template)
    }

    /// The names of its placeholders, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn names(&self, variable: &str) -> bool {
        self.placeholders().any(|name| name == variable)
    }

    /// The address for checked values.
    pub(crate) fn expand(
        &self,
        variables: &BTreeMap<String, Variable>,
        values: &VariableValues,
    ) -> Result<Url, VariableError> {
        let text = self.expand_text(variables, values)?;
        // The kinds leave no room for another host. Should one ever, the address still does not pass.
        let expected_host = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next());
        let url = Url::parse(&text)
            .ok()
            .filter(|url| expected_host == Some(&url[url::Position::BeforeHost..url::Position::AfterPort]));
        url.ok_or_else(|| {
            let variable = self.placeholders().next().unwrap_or_default();
            let known = variables.get(variable);
            VariableError::Refused {
                variable: variable.to_owned(),
                expected: known.map_or("part of an address", Variable::expected),
                example: known.map(|variable| variable.example.clone()).unwrap_or_default(),
            }
        })
    }

    /// As [`UrlTemplate::expand`], without the normalisation of a URL.
    pub(crate) fn expand_text(
        &self,
        variables: &BTreeMap<String, Variable>,
        values: &VariableValues,
    ) -> Result<String, VariableError> {
        for name in self.placeholders() {
            values.require(variables, name)?;
        }
        Ok(self.fill(|name| values.require(variables, name).ok()).expect("every placeholder has a value"))
    }

    fn fill<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut text = String::with_capacity(self.0.len() + 16);
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            text.push_str(before);
            text.push_str(value(name)?);
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }
}

impl core::fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::str::FromStr for UrlTemplate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for UrlTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|problem| serde::de::Error::custom(format_args!("\"{text}\" {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable(kind: VariableKind) -> Variable {
        let (example, allowed): (&str, &[&str]) = match kind {
            VariableKind::DnsLabel => ("my-store", &[]),
            VariableKind::Host => ("shop.example.com", &[]),
            VariableKind::Region => ("eu", &["eu", "us"]),
            VariableKind::PathSegment => ("common", &[]),
        };
        Variable {
            kind,
            example: example.to_owned(),
            label: None,
            default: None,
            allowed: allowed.iter().map(ToString::to_string).collect(),
            suffix: None,
            callback_param: None,
        }
    }

    fn shop() -> Variable {
        Variable { suffix: Some(".myshopify.com".to_owned()), ..variable(VariableKind::DnsLabel) }
    }

    const KINDS: [VariableKind; 4] =
        [VariableKind::DnsLabel, VariableKind::Host, VariableKind::Region, VariableKind::PathSegment];

    #[test]
    fn hostile_values_are_refused_by_a_sentence_with_the_name_and_a_good_value() {
        let long = "a".repeat(10_000);
        let hostile = [
            "evil.test/#",
            "a@b",
            "..",
            ".",
            "%2f",
            "%2e%2e",
            "a%00",
            "\u{440}aypal",
            "ex\u{e4}mple.com",
            "\u{ff21}.com",
            "a\u{2024}b",
            "a\\b.test",
            "a b",
            "a\tb",
            "a\nb",
            "a?b",
            "a#b",
            "a:b@c.test",
            "evil.test:8443",
            "[::1]",
            "http://evil.test",
            "https://user@evil.test/",
            "javascript:alert(1)",
            "'\"<script>",
            "{shop}",
            "",
            "  ",
            &long,
        ];
        for kind in KINDS {
            let variable = variable(kind);
            for value in hostile {
                let error = variable.parse("shop", value).unwrap_err();
                assert_eq!(error.variable(), "shop", "{kind:?} {value:?}");
                let sentence = error.to_string();
                assert!(sentence.contains("\"shop\"") && sentence.contains(&variable.example), "{sentence}");
            }
            assert_eq!(variable.parse("shop", &variable.example).unwrap(), variable.example);
        }
    }

    #[test]
    fn a_host_is_no_address_and_lies_where_it_may() {
        let free = variable(VariableKind::Host);
        for address in ["127.0.0.1", "0x7f.1", "2130706433", "10.1", "localhost", "a.1", "a.b.0x7f"] {
            assert!(free.parse("host", address).is_err(), "{address}");
        }
        let narrow = Variable { allowed: vec!["zoho.eu".to_owned()], ..free };
        assert_eq!(narrow.parse("host", "Accounts.Zoho.eu").unwrap(), "accounts.zoho.eu");
        assert_eq!(narrow.parse("host", "https://accounts.zoho.eu/").unwrap(), "accounts.zoho.eu");
        assert_eq!(narrow.parse("host", "zoho.eu").unwrap(), "zoho.eu");
        for elsewhere in ["evilzoho.eu", "zoho.eu.evil.test", "zoho.com"] {
            assert!(narrow.parse("host", elsewhere).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn shop_names_are_read_as_the_published_library_reads_them() {
        #[derive(Deserialize)]
        struct Vectors {
            shop_names: Vec<Vector>,
        }
        #[derive(Deserialize)]
        struct Vector {
            input: String,
            result: Option<String>,
        }
        let vectors: Vectors =
            serde_json::from_str(include_str!("../tests/vectors/signed-callbacks.json")).unwrap();
        for Vector { input, result } in vectors.shop_names {
            // The library completes any single word; a host that is not a shop's is refused by both.
            let read = shop().parse("shop", &input).ok().map(|label| format!("{label}.myshopify.com"));
            assert_eq!(read, result, "{input}");
        }
        assert!(shop().parse("shop", "a").is_err(), "a shop's name has two characters at least");
    }

    #[test]
    fn what_the_callback_says_must_be_what_was_asked_for() {
        let variables = BTreeMap::from([(
            "shop".to_owned(),
            Variable { callback_param: Some("shop".to_owned()), ..shop() },
        )]);
        let given = BTreeMap::from([("shop".to_owned(), "My-Store".to_owned())]);
        let asked = VariableValues::parse(&variables, &given).unwrap();
        let answer = |shop: &str| {
            let shop = shop.to_owned();
            asked.clone().with_callback(&variables, move |_| Some(shop.clone()))
        };
        assert_eq!(answer("my-store.myshopify.com").unwrap().find("shop"), Some("my-store"));
        assert!(matches!(answer("other.myshopify.com"), Err(VariableError::Changed { .. })));
        assert!(matches!(answer("my-store.evil.test"), Err(VariableError::Refused { .. })));
        let open = VariableValues::default()
            .with_callback(&variables, |_| Some("new-store.myshopify.com".to_owned()));
        assert_eq!(open.unwrap().find("shop"), Some("new-store"));
    }

    #[test]
    fn a_missing_value_is_asked_for_by_name() {
        let template = UrlTemplate::parse("https://{shop}.example.com/authorize").unwrap();
        let variables = BTreeMap::from([("shop".to_owned(), shop())]);
        let error = template.expand(&variables, &VariableValues::default()).unwrap_err();
        assert!(error.to_string().starts_with("\"shop\" is missing"), "{error}");
        let unknown = BTreeMap::from([("sohp".to_owned(), "x".to_owned())]);
        let error = VariableValues::parse(&variables, &unknown).unwrap_err();
        assert_eq!(error, VariableError::Unknown { variable: "sohp".to_owned() });
    }

    #[test]
    fn templates_are_https_and_bare() {
        for bad in [
            "http://example.com/token",
            "https://user@example.com/",
            "https://example.com/#x",
            "https://example.com/{a",
            "ftp://example.com",
            "/token",
        ] {
            assert!(UrlTemplate::parse(bad).is_err(), "{bad}");
        }
        for good in
            ["https://{a}.example.com/{b}/token?c=d", "http://127.0.0.1:8080/token", "http://localhost/token"]
        {
            assert!(UrlTemplate::parse(good).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn no_value_reaches_another_host(value in ".{0,64}") {
            let template = UrlTemplate::parse("https://{v}.example.com/{v}/token").unwrap();
            for kind in [VariableKind::DnsLabel, VariableKind::Region] {
                let variables = BTreeMap::from([("v".to_owned(), variable(kind))]);
                let given = BTreeMap::from([("v".to_owned(), value.clone())]);
                if let Ok(values) = VariableValues::parse(&variables, &given) {
                    let url = template.expand(&variables, &values).unwrap();
                    prop_assert!(url.host_str().unwrap().ends_with(".example.com"));
                    prop_assert!(url.path().ends_with("/token") && url.query().is_none());
                }
            }
        }
    }
}
