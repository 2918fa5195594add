//! What the operator decides about the issuer.

use core::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

/// The issuer's settings.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The address under which browsers and clients reach the server, without a trailing slash.
    pub public_url: String,
    /// The page of the operator's application where the user is already logged in; none in demo mode, where the
    /// issuer shows its own login page.
    pub login_url: Option<Url>,
    /// The name shown on the issuer's pages.
    pub name: String,
    /// Whether demo users, demo clients and open registration exist.
    pub demo: bool,
    /// How long an access token lives.
    pub access_token_lifetime: Duration,
    /// How long a refresh token lives when it is not used.
    pub refresh_token_lifetime: Duration,
    /// How long an authorization lives at most, however often it is refreshed.
    pub grant_lifetime: Duration,
    /// How long a browser that logged in is remembered (`prompt=none`, `max_age`).
    pub browser_session_lifetime: Duration,
    /// After which age a signing key is replaced.
    pub key_lifetime: Duration,
    /// The scopes the operator's API knows, with a sentence for the consent page.
    pub scopes: Vec<ScopeDescription>,
    /// The audience of access tokens asked for without a resource indicator; the issuer's own identifier unless set.
    pub default_resource: Option<String>,
    /// The APIs that a client may name as a resource (RFC 8707), beside the default one.
    pub resources: Vec<String>,
    /// Where the operator's application answers userinfo requests itself.
    pub userinfo_url: Option<Url>,
}

/// One scope and what it allows, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeDescription {
    /// The scope as it stands on the wire (RFC 6749 3.3).
    pub scope: String,
    /// A sentence such as "Read your documents".
    pub description: String,
}

/// A person who exists in demo mode only.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// The subject identifier.
    pub user: String,
    /// The name shown.
    pub name: String,
    /// Standard claims (OpenID Connect Core 5.1).
    pub claims: Map<String, Value>,
}

/// The scopes every issuer knows (OpenID Connect Core 5.4 and 11), in words.
const STANDARD_SCOPES: [(&str, &str); 6] = [
    ("openid", "Know who you are"),
    ("profile", "See your name and profile"),
    ("email", "See your email address"),
    ("address", "See your postal address"),
    ("phone", "See your phone number"),
    ("offline_access", "Keep this access while you are away"),
];

impl IssuerSettings {
    /// How long an authorization code lives. RFC 6749 4.1.2 recommends ten minutes at most; a client needs a second.
    pub const CODE_LIFETIME: Duration = Duration::from_mins(1);

    /// How long an ID token lives: clients read it at once.
    pub const ID_TOKEN_LIFETIME: Duration = Duration::from_mins(10);

    /// How long a login session waits for the application and for consent.
    pub const LOGIN_SESSION_LIFETIME: Duration = Duration::from_mins(10);

    /// Settings with every default, for a server reached at `public_url`.
    #[must_use]
    pub fn new(public_url: &Url) -> Self {
        Self {
            public_url: public_url.as_str().trim_end_matches('/').to_owned(),
            login_url: None,
            name: "Handfast".to_owned(),
            demo: false,
            access_token_lifetime: Duration::from_mins(30),
            refresh_token_lifetime: Duration::from_hours(7 * 24),
            grant_lifetime: Duration::from_hours(90 * 24),
            browser_session_lifetime: Duration::from_hours(8),
            key_lifetime: Duration::from_hours(90 * 24),
            scopes: Vec::new(),
            default_resource: None,
            resources: Vec::new(),
            userinfo_url: None,
        }
    }

    /// The issuer identifier (RFC 8414 2).
    #[must_use]
    pub fn issuer(&self) -> String {
        self.endpoint("/auth/oauth2")
    }

    /// An absolute address of this server.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// The audience of an access token asked for without a resource indicator.
    pub(crate) fn audience(&self) -> String {
        self.default_resource.clone().unwrap_or_else(|| self.issuer())
    }

    /// Whether a token may be asked for `resource`.
    pub(crate) fn knows_resource(&self, resource: &str) -> bool {
        resource == self.audience() || self.resources.iter().any(|known| known == resource)
    }

    /// Every scope this issuer knows.
    pub(crate) fn known_scopes(&self) -> impl Iterator<Item = &str> {
        let own = self.scopes.iter().map(|scope| scope.scope.as_str());
        STANDARD_SCOPES.iter().map(|(scope, _)| *scope).chain(own)
    }

    /// What `scope` allows, in words; the operator's sentence goes before ours.
    #[must_use]
    pub fn describe_scope(&self, scope: &str) -> String {
        let own = self.scopes.iter().find(|own| own.scope == scope).map(|own| own.description.as_str());
        let standard =
            || STANDARD_SCOPES.iter().find(|(name, _)| *name == scope).map(|(_, sentence)| *sentence);
        own.or_else(standard).unwrap_or(scope).to_owned()
    }

    /// The people of demo mode; nobody outside it.
    #[must_use]
    pub fn demo_users(&self) -> Vec<DemoUser> {
        if !self.demo {
            return Vec::new();
        }
        [("ada", "Ada Lovelace"), ("grace", "Grace Hopper"), ("alan", "Alan Turing")]
            .map(|(user, name)| DemoUser::named(user, name))
            .into()
    }
}

impl DemoUser {
    /// Whoever types this name at the demo's login page.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self::named(&name.to_lowercase().replace(char::is_whitespace, "."), name)
    }

    fn named(user: &str, name: &str) -> Self {
        let mut claims = Map::new();
        claims.insert("name".to_owned(), json!(name));
        claims.insert("preferred_username".to_owned(), json!(user));
        if user.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            claims.insert("email".to_owned(), json!(format!("{user}@example.com")));
            claims.insert("email_verified".to_owned(), json!(true));
        }
        Self { user: user.to_owned(), name: name.to_owned(), claims }
    }
}
