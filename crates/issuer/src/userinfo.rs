//! What a bearer of an access token learns about the user (OpenID Connect Core 5.3), and how a token of ours is
//! recognised.

use handfast_protocol::{Clock, Place, Randomness, Scopes, Secret, Sha256Hash, UnverifiedJwt, random_token};
use serde_json::{Map, Value, json};

use crate::{
    Issuer,
    client::{Client, SubjectType},
    client_authentication::{ProofError, ShownProof},
    grant::{Grant, GrantDetails},
    ports::{Documents, Store, StoreError},
};

/// An access token of ours that is accepted at this moment.
#[derive(Clone, Debug)]
pub struct VerifiedAccessToken {
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The grant it came from.
    pub grant: Grant,
    /// Its scopes, which may be fewer than the grant's.
    pub scopes: Scopes,
}

/// An access token as a request shows it.
#[derive(Clone, Debug)]
pub struct ShownToken {
    /// The token.
    pub token: Secret<String>,
    /// Whether it came as `Authorization: DPoP ..` (RFC 9449 7.1) rather than as a bearer token.
    pub with_proof: bool,
}

/// What the bearer of an access token learns.
#[derive(Clone, Debug)]
pub struct Userinfo {
    /// The claims, with `sub`.
    pub claims: Map<String, Value>,
    /// The user, as the application names them.
    pub user: String,
    /// The client that the token was given to.
    pub client: Client,
}

/// Why a bearer gets nothing (RFC 6750 3.1).
#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    /// There is no token in the request.
    #[error("the request has no access token; send it as `Authorization: Bearer ..`")]
    Missing,
    /// The token is expired, revoked, malformed, or not ours.
    #[error("the access token is expired, revoked, or not one of this issuer")]
    InvalidToken,
    /// The token is bound to a key, or was shown as if it were, and the proof beside it is missing, another key's or
    /// refused (RFC 9449 7.1).
    #[error("{0}")]
    Proof(String),
    /// The token lacks this scope.
    #[error("the access token lacks the scope {0}")]
    InsufficientScope(&'static str),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The claims that each scope releases (OpenID Connect Core 5.4).
const CLAIMS_OF_SCOPES: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// The claims for who shows `token`, which needs the scope `openid`.
    ///
    /// # Errors
    /// As RFC 6750 3.1 names them.
    pub async fn userinfo(
        &self,
        shown: Option<&ShownToken>,
        proof: &ShownProof,
    ) -> Result<Userinfo, BearerError> {
        let shown = shown.ok_or(BearerError::Missing)?;
        let token = self.verify_access_token(shown.token.expose()).await?.ok_or(BearerError::InvalidToken)?;
        self.check_possession(shown, &token, proof).await?;
        if !token.scopes.contains("openid") {
            return Err(BearerError::InsufficientScope("openid"));
        }
        let own = json!(self.settings.audience());
        let for_us = |aud: &Value| *aud == own || aud.as_array().is_some_and(|list| list.contains(&own));
        if !token.claims.get("aud").is_none_or(for_us) {
            return Err(BearerError::InvalidToken);
        }
        let mut claims = released_claims(&token.grant.details, &token.scopes, "userinfo");
        let client = self.store.client(&token.grant.client_id).await?.ok_or(BearerError::InvalidToken)?;
        let subject = self.subject(&client, &token.grant.user).await?;
        claims.insert("sub".to_owned(), json!(subject));
        Ok(Userinfo { claims, user: token.grant.user, client })
    }

    /// The answer as a signed JWT, for clients that are registered so (OpenID Connect Core 5.3.2).
    ///
    /// # Errors
    /// The storage failed.
    pub async fn sign_userinfo(&self, userinfo: &Userinfo) -> Result<Option<Secret<String>>, StoreError> {
        let Some(algorithm) = userinfo.client.metadata.userinfo_signed_response_alg else { return Ok(None) };
        let mut claims = Value::Object(userinfo.claims.clone());
        claims["iss"] = json!(self.settings.issuer());
        claims["aud"] = json!(userinfo.client.client_id);
        Ok(Some(self.key_ring().await?.sign(algorithm, "JWT", &claims)))
    }

    /// How a client knows a user (OpenID Connect Core 8).
    pub(crate) async fn subject(&self, client: &Client, user: &str) -> Result<String, StoreError> {
        if client.metadata.subject_type == SubjectType::Public {
            return Ok(user.to_owned());
        }
        let salt = self.pairwise_salt().await?;
        let sector = client.sector();
        let salt = Sha256Hash::of(salt.expose());
        Ok(Sha256Hash::of(format!("{}\n{sector}\n{user}", salt.as_str())).as_str().to_owned())
    }

    /// One secret for all clients, made when it is first needed; whoever lacks it cannot find a user by trying.
    async fn pairwise_salt(&self) -> Result<Secret<Vec<u8>>, StoreError> {
        const PLACE: Place<'static> =
            Place { table: "issuer_pairwise_salt", column: "sealed_salt", key: &["salt"] };
        let stored = if let Some(stored) = self.store.pairwise_salt().await? {
            stored
        } else {
            let salt = random_token(&self.randomness);
            let sealed = self.keyring.seal(PLACE, salt.expose().as_bytes(), &self.randomness);
            self.store.put_pairwise_salt(&sealed).await?;
            // Another process may have been first.
            self.store.pairwise_salt().await?.unwrap_or(sealed)
        };
        self.keyring.open(PLACE, &stored).map_err(|error| StoreError(Box::new(error)))
    }

    /// RFC 9449 7.1 and 7.2: a bound token needs a proof of its key and is never taken as a bearer token.
    async fn check_possession(
        &self,
        shown: &ShownToken,
        token: &VerifiedAccessToken,
        proof: &ShownProof,
    ) -> Result<(), BearerError> {
        let refuse = |text: &str| Err(BearerError::Proof(text.to_owned()));
        let bound_to = token.claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
        let Some(bound_to) = bound_to else {
            return if shown.with_proof { refuse("the access token is not bound to a key") } else { Ok(()) };
        };
        if !shown.with_proof {
            return refuse(
                "the access token is bound to a key; send it as `Authorization: DPoP ..` with a proof",
            );
        }
        match self.verify_proof(proof, Some(shown.token.expose())).await {
            Ok(Some(key)) if key == bound_to => Ok(()),
            Ok(Some(_)) => refuse("the access token is bound to another key than that of the DPoP proof"),
            Ok(None) => refuse("the DPoP proof is missing"),
            Err(ProofError::Refused(error)) => refuse(&error.to_string()),
            Err(ProofError::Store(error)) => Err(error.into()),
        }
    }

    /// Recognises an access token of ours that has neither expired nor been revoked; `None` for any other text.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn verify_access_token(&self, token: &str) -> Result<Option<VerifiedAccessToken>, StoreError> {
        let now = self.now();
        let Ok(jwt) = UnverifiedJwt::parse(token) else { return Ok(None) };
        let Some(claims) = self.key_ring().await?.verify(&jwt) else { return Ok(None) };
        let text = |name: &str| claims.text(name);
        let expires_at = claims.instant("exp");
        let ours = text("iss") == Some(&self.settings.issuer())
            && expires_at.is_some_and(|expires_at| now < expires_at);
        // An ID token is signed with the same keys; it has neither `jti` nor `scope`.
        let (Some(jti), Some(scope)) = (text("jti"), text("scope")) else { return Ok(None) };
        let Some((grant_id, _)) = jti.split_once('.').filter(|_| ours) else { return Ok(None) };
        let scopes = Scopes::parse_separated(scope, " ");
        let grant = self.store.grant(grant_id).await?.filter(|grant| grant.is_live(now));
        Ok(grant.map(|grant| VerifiedAccessToken { claims: claims.into_map(), grant, scopes }))
    }
}

/// The claims of a grant that `scopes` and the `claims` parameter's `member` release. Claims that OpenID Connect does
/// not define pass to userinfo: the application gave them for this very request.
pub(crate) fn released_claims(details: &GrantDetails, scopes: &Scopes, member: &str) -> Map<String, Value> {
    let asked =
        details.requested_claims.as_ref().and_then(|claims| claims.get(member)).and_then(Value::as_object);
    let scope_of = |name: &str| {
        CLAIMS_OF_SCOPES.iter().find(|(_, claims)| claims.contains(&name)).map(|(scope, _)| *scope)
    };
    let released = |name: &str| {
        asked.is_some_and(|asked| asked.contains_key(name))
            || match scope_of(name) {
                Some(scope) => scopes.contains(scope),
                None => member == "userinfo",
            }
    };
    let claims = details.claims.iter().filter(|(name, _)| released(name) && !is_reserved(name));
    claims.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The claims that only the issuer itself states.
fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 16] = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "azp",
        "at_hash",
        "c_hash",
        "sid",
        "cnf",
    ];
    RESERVED.contains(&name)
}
