//! The rules a server runs under: where it is reached, and who may start an attempt.

use url::Url;

use crate::Integration;

/// The rules a server runs under. Filled once at start.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where browsers reach the server, with any path it is mounted under. Decides redirect URIs and cookies.
    pub public_url: Url,
    /// Exact origins that may use an integration that lists none of its own.
    pub allowed_origins: Vec<String>,
    /// Whether, where neither list names an origin, loopback origins of any port may start an attempt.
    pub loopback_origins: bool,
    /// Whether an attempt needs a connect token from the application's backend.
    pub connect_tokens_required: bool,
    /// Whether a connect parameter may lead to http or to a private address. For tests and closed networks.
    pub danger_allow_private_addresses: bool,
}

impl Policy {
    /// An address of this server, such as `/oauth/callback`, below its `public_url`.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        let mut url = self.public_url.clone();
        url.set_query(None);
        url.set_fragment(None);
        format!("{}{path}", url.as_str().trim_end_matches('/'))
    }

    /// Whether browsers reach the server over TLS, and cookies can be `Secure`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Whether a page of `origin`, as its browser states it, may start an attempt for `integration`. `null` never may.
    #[must_use]
    pub fn allows_origin(&self, integration: &Integration, origin: &str) -> bool {
        let list = if integration.allowed_origins.is_empty() {
            &self.allowed_origins
        } else {
            &integration.allowed_origins
        };
        if list.is_empty() {
            return self.loopback_origins && is_loopback_origin(origin);
        }
        origin != "null" && list.iter().any(|allowed| allowed == origin)
    }
}

/// Whether `origin` is a page of this machine: `localhost`, a name below it, or a loopback address, of any port.
#[must_use]
pub fn is_loopback_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == origin && is_loopback_host(&url))
}

/// Whether `url` names this machine.
#[must_use]
pub fn is_loopback_host(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_origins_are_those_of_this_machine() {
        for good in [
            "http://localhost",
            "http://localhost:8080",
            "https://127.0.0.2:1",
            "http://[::1]:3000",
            "http://a.localhost",
        ] {
            assert!(is_loopback_origin(good), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://localhost/",
            "http://localhost.evil.test",
            "http://evil.test",
            "http://127.0.0.1.evil.test",
            "file://",
        ] {
            assert!(!is_loopback_origin(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_keeps_the_path_of_the_public_url() {
        let mut policy = Policy {
            public_url: Url::parse("https://example.com/auth/").unwrap(),
            allowed_origins: Vec::new(),
            loopback_origins: false,
            connect_tokens_required: true,
            danger_allow_private_addresses: false,
        };
        assert_eq!(policy.address("/oauth/callback"), "https://example.com/auth/oauth/callback");
        policy.public_url = Url::parse("http://localhost:3004").unwrap();
        assert_eq!(policy.address("/oauth/callback"), "http://localhost:3004/oauth/callback");
    }
}
