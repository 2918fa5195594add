//! The rules a server runs under: where it is reached, and who may start an attempt.

use url::{Host, Url};

use crate::{Integration, Provider};

/// The rules a server runs under. Filled once at start.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where browsers reach the server, with any path it is mounted under. Decides redirect URIs and cookies.
    pub public_url: Url,
    /// Where providers send the browser back to, if not below `public_url`: the beginning of every redirect URI. What
    /// arrives there has to be passed on, as it is, to the same path below `public_url`, where the cookie is.
    pub callback_url: Option<Url>,
    /// Exact origins that may use an integration that lists none of its own.
    pub allowed_origins: Vec<String>,
    /// Whether, where neither list names an origin, loopback origins of any port may start an attempt.
    pub loopback_origins: bool,
    /// Exact addresses that redirect mode may go back to for an integration that lists none of its own.
    pub allowed_return_to: Vec<String>,
    /// Whether an attempt needs a connect token from the application's backend.
    pub connect_tokens_required: bool,
    /// Whether a connect parameter may lead to http or to a private address. For tests and closed networks.
    pub danger_allow_private_addresses: bool,
}

impl Policy {
    /// An address of this server, such as `/oauth/callback`, below its `public_url`.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        below(&self.public_url, path)
    }

    /// The redirect URI that the integrations share, or the one of this config key.
    #[must_use]
    pub fn redirect_uri(&self, config_key: Option<&str>) -> String {
        let path =
            config_key.map_or_else(|| "/oauth/callback".to_owned(), |key| format!("/oauth/callback/{key}"));
        below(self.callback_url.as_ref().unwrap_or(&self.public_url), &path)
    }

    /// The redirect URI of an integration that does not choose one; where each has its own, `CONFIG_KEY` stands for its
    /// name.
    #[must_use]
    pub fn usual_redirect_uri(&self, provider: &Provider) -> String {
        self.redirect_uri(provider.prefers_own_redirect_uri().then_some("CONFIG_KEY"))
    }

    /// Whether browsers reach the server over TLS, and cookies can be `Secure`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Whether a page of `origin`, as its browser states it, may start an attempt for `integration`. `null` never may.
    #[must_use]
    pub fn allows_origin(&self, integration: &Integration, origin: &str) -> bool {
        let list = if integration.rules.allowed_origins.is_empty() {
            &self.allowed_origins
        } else {
            &integration.rules.allowed_origins
        };
        if list.is_empty() {
            return self.loopback_origins && is_loopback_origin(origin);
        }
        origin != "null" && list.iter().any(|allowed| allowed == origin)
    }

    /// Whether redirect mode may go back to `url` for `integration`: an exact address of either list. Where neither names
    /// one, a loopback server takes any address of this machine.
    #[must_use]
    pub fn allows_return_to(&self, integration: &Integration, url: &Url) -> bool {
        let list = if integration.rules.allowed_return_to.is_empty() {
            &self.allowed_return_to
        } else {
            &integration.rules.allowed_return_to
        };
        if list.is_empty() {
            return self.loopback_origins && is_loopback_url(url);
        }
        list.iter().any(|allowed| allowed == url.as_str())
    }
}

fn below(base: &Url, path: &str) -> String {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    format!("{}{path}", url.as_str().trim_end_matches('/'))
}

/// Whether `origin` is a page of this machine: `localhost`, a name below it, or a loopback address, of any port.
#[must_use]
pub fn is_loopback_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == origin && is_loopback_url(&url))
}

/// Whether `url` leads to this machine.
#[must_use]
pub fn is_loopback_url(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

/// Whether `host` names this machine.
#[must_use]
pub fn is_loopback_host(host: &Host<impl AsRef<str>>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref() == "localhost" || name.as_ref().ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
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
            callback_url: None,
            allowed_origins: Vec::new(),
            loopback_origins: false,
            allowed_return_to: Vec::new(),
            connect_tokens_required: true,
            danger_allow_private_addresses: false,
        };
        assert_eq!(policy.address("/oauth/callback"), "https://example.com/auth/oauth/callback");
        policy.public_url = Url::parse("http://localhost:3004").unwrap();
        assert_eq!(policy.redirect_uri(None), "http://localhost:3004/oauth/callback");
        policy.callback_url = Some(Url::parse("https://auth.example.com").unwrap());
        assert_eq!(policy.redirect_uri(Some("github")), "https://auth.example.com/oauth/callback/github");
    }
}
