//! A login session: an authorization request waits for the application to say who the user is, then for the user's
//! consent, and becomes a grant.

use handfast_protocol::{
    Clock, CodeChallenge, OAuthErrorCode, Randomness, Scopes, Secret, Sha256Hash, Timestamp, random_token,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Issuer,
    account::{HOME, PAGES_CLIENT_ID},
    authorize::{AuthorizationRequest, AuthorizationResponse, Prompt, ResponseMode, Unmet},
    client::{Client, ClientProfile},
    grant::{AuthorizationCode, BrowserSession, Conclusion, Consent, Grant, GrantDetails},
    ports::{Documents, Store, StoreError},
    settings::{DemoUser, IssuerSettings},
};

/// An authorization request that waits for the application's approval.
#[derive(Clone, Debug)]
pub struct LoginSession {
    /// The hash of its id.
    pub id_hash: Sha256Hash,
    /// The hash of the cookie that binds it to a browser.
    pub cookie_hash: Sha256Hash,
    /// What is asked.
    pub request: AuthorizationRequest,
    /// What the application said; none before it did.
    pub decision: Option<Decision>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends, decided or not.
    pub expires_at: Timestamp,
}

/// What the application says about a login session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The user may go on.
    Approved(Approval),
    /// The user may not; the client is told by the browser.
    Denied(Denial),
}

/// What the application says about the user it let through.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approval {
    /// The user, as the application names them: 1 to 255 characters.
    pub user: String,
    /// Claims about the user (OpenID Connect Core 5.1), for userinfo and ID token.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// When the user last logged in; the moment of approval unless the application knows better.
    pub auth_time: Timestamp,
    /// The authentication context that was met (OpenID Connect Core 2, `acr`).
    #[serde(default)]
    pub acr: Option<String>,
    /// How the user authenticated (RFC 8176).
    #[serde(default)]
    pub amr: Vec<String>,
}

/// Why the application refuses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Denial {
    /// `access_denied`, or one of OpenID Connect's codes.
    pub code: OAuthErrorCode,
    /// What the client is told, if anything.
    pub description: Option<String>,
}

/// What the application reads about a login session.
#[derive(Clone, Debug)]
pub struct LoginSessionView {
    /// The client that asks.
    pub client: Client,
    /// What it asks.
    pub request: AuthorizationRequest,
}

/// Why a login session cannot be read or decided.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// Unknown or expired.
    #[error("no login session has this id; it is unknown or older than 10 minutes")]
    Unknown,
    /// Decided before.
    #[error("this login session was decided already")]
    Decided,
    /// The user is not acceptable.
    #[error("user must be 1 to 255 characters without control characters")]
    User,
    /// The login is not one that the client accepts.
    #[error(transparent)]
    Unmet(#[from] Unmet),
    /// The error code is not one an application may answer with.
    #[error(
        "error must be access_denied, login_required, interaction_required, account_selection_required, \
             unmet_authentication_requirements or temporarily_unavailable"
    )]
    Code,
    /// The text is too long.
    #[error("error_description must be at most 1000 characters")]
    Description,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the consent page shows.
#[derive(Debug)]
pub struct ConsentPrompt {
    /// The client that asks.
    pub client: Client,
    /// What it asks.
    pub request: AuthorizationRequest,
    /// Who is asked.
    pub approval: Approval,
    /// Whether the user typed a device's code, and no application waits in this browser (RFC 8628 3.3).
    pub for_device: bool,
    /// Shows that the answer comes from the page; bound to the browser's cookie.
    pub csrf_token: Secret<String>,
}

/// What the demo's login page shows.
#[derive(Debug)]
pub struct LoginPrompt {
    /// The client that asks.
    pub client: Client,
    /// What it asks.
    pub request: AuthorizationRequest,
    /// Shows that the answer comes from the page; bound to the browser's cookie.
    pub csrf_token: Secret<String>,
}

/// What the user answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentDecision {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// Why there is no consent page, or no answer to it.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// Unknown, expired, or answered before.
    #[error("This request is no longer open. It was answered, or more than ten minutes have passed.")]
    Unknown,
    /// Another browser than the one that began.
    #[error("This request was begun in another browser.")]
    WrongBrowser,
    /// The form did not come from our page.
    #[error("The answer did not come from this page.")]
    Forged,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a browser has to show or do after it asked for the consent page.
type Prompted = Result<ConsentPrompt, AuthorizationResponse>;

impl LoginSession {
    /// The one of a browser's cookies that binds it to this login session.
    fn cookie_of<'a>(&self, cookies: &'a [Secret<String>]) -> Result<&'a Secret<String>, ConsentError> {
        let own = cookies.iter().find(|cookie| Sha256Hash::of(cookie.expose()) == self.cookie_hash);
        own.ok_or(ConsentError::WrongBrowser)
    }
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Reads a login session, for the application that has to decide it.
    ///
    /// # Errors
    /// Unknown or expired.
    pub async fn login_session(&self, id: &Secret<String>) -> Result<LoginSessionView, ApprovalError> {
        let session = self.open_login_session(id).await?;
        let client = self.client_of(&session).await?.ok_or(ApprovalError::Unknown)?;
        Ok(LoginSessionView { client, request: session.request })
    }

    /// Approves a login session, once, and gives the address that the user's browser goes to next.
    ///
    /// That address is a fresh secret: whoever began the request and knows the login session's id cannot go on as the
    /// user who approved it.
    ///
    /// # Errors
    /// Unknown, expired, decided before, or not acceptable.
    pub async fn approve(&self, id: &Secret<String>, approval: Approval) -> Result<String, ApprovalError> {
        let user = approval.user.trim();
        if user.is_empty() || user.chars().count() > 255 || user.chars().any(char::is_control) {
            return Err(ApprovalError::User);
        }
        let session = self.open_login_session(id).await?;
        if session.decision.is_some() {
            return Err(ApprovalError::Decided);
        }
        let client = self.client_of(&session).await?.ok_or(ApprovalError::Unknown)?;
        if let Some(unmet) = self.unmet(&client, &session.request, &approval).await? {
            return Err(unmet.into());
        }
        if session.request.prompt.contains(&Prompt::Login)
            && approval.auth_time.as_secs() < session.created_at.as_secs()
        {
            return Err(Unmet::NotAgain.into());
        }
        self.decide(&session, Decision::Approved(approval)).await
    }

    /// Records the application's decision and gives the address at which the browser meets it.
    async fn decide(&self, session: &LoginSession, decision: Decision) -> Result<String, ApprovalError> {
        let consent_id = random_token(&self.randomness);
        let consent_hash = Sha256Hash::of(consent_id.expose());
        if !self.store.decide_login_session(&session.id_hash, &decision, &consent_hash).await? {
            return Err(ApprovalError::Decided);
        }
        Ok(self.settings.endpoint(&format!("/auth/consent/{}", consent_id.expose())))
    }

    /// Denies a login session, once, and gives the address that brings the user back to the client. Where the answer
    /// needs a page, that page is ours.
    ///
    /// # Errors
    /// Unknown, expired, decided before, or not acceptable.
    pub async fn deny(&self, id: &Secret<String>, denial: Denial) -> Result<String, ApprovalError> {
        let allowed = [
            OAuthErrorCode::AccessDenied,
            OAuthErrorCode::LoginRequired,
            OAuthErrorCode::InteractionRequired,
            OAuthErrorCode::AccountSelectionRequired,
            OAuthErrorCode::UnmetAuthenticationRequirements,
            OAuthErrorCode::TemporarilyUnavailable,
        ];
        if !allowed.contains(&denial.code) {
            return Err(ApprovalError::Code);
        }
        if denial.description.as_ref().is_some_and(|text| text.chars().count() > 1000) {
            return Err(ApprovalError::Description);
        }
        let session = self.open_login_session(id).await?;
        let client = self.client_of(&session).await?.ok_or(ApprovalError::Unknown)?;
        if session.decision.is_some() {
            return Err(ApprovalError::Decided);
        }
        if !session.request.response_mode.redirects() {
            return self.decide(&session, Decision::Denied(denial)).await;
        }
        if !self.store.end_login_session(&session.id_hash, self.now()).await? {
            return Err(ApprovalError::Decided);
        }
        if client.client_id == PAGES_CLIENT_ID {
            // The page that was asked for would only ask who the user is once more.
            return Ok(self.settings.endpoint(HOME));
        }
        Ok(self.denied(&client, &session.request, &denial).location())
    }

    fn denied(
        &self,
        client: &Client,
        request: &AuthorizationRequest,
        denial: &Denial,
    ) -> AuthorizationResponse {
        let text = denial.description.as_deref().unwrap_or("the application did not let the user through");
        self.refuse(client, request, denial.code, text)
    }

    /// What the browser that follows a decision gets: the consent page, or the answer where the user consented to all
    /// of it before, or where the application denied.
    ///
    /// # Errors
    /// Unknown, answered, expired, or another browser.
    pub async fn prompt_for_consent(
        &self,
        consent_id: &Secret<String>,
        cookies: &[Secret<String>],
    ) -> Result<(Prompted, Option<Secret<String>>), ConsentError> {
        let (session, client, decision) = self.open_consent(consent_id, cookies).await?;
        let approval = match decision {
            Decision::Approved(approval) => approval,
            Decision::Denied(denial) => {
                self.end(&session).await?;
                return Ok((Err(self.denied(&client, &session.request, &denial)), None));
            }
        };
        if client.client_id == PAGES_CLIENT_ID {
            let redirect_uri = session.request.redirect_uri.clone();
            let browser = self.conclude_page_login(&session, approval).await?.ok_or(ConsentError::Unknown)?;
            let back = AuthorizationResponse { redirect_uri, mode: ResponseMode::Query, params: Vec::new() };
            return Ok((Err(back), Some(browser)));
        }
        // A demonstration is there to be seen.
        let asked_again = self.settings.demo || session.request.prompt.contains(&Prompt::Consent);
        if !asked_again && self.is_consent_remembered(&client, &session.request, &approval.user).await? {
            let concluded =
                self.conclude(&client, &session.request, approval, Some(session.id_hash), None).await?;
            let (response, browser) = concluded.ok_or(ConsentError::Unknown)?;
            return Ok((Err(response), browser));
        }
        let csrf_token = csrf_token(consent_id, session.cookie_of(cookies)?);
        let request = session.request;
        let for_device = request.redirect_uri == self.device_redirect_uri();
        Ok((Ok(ConsentPrompt { client, request, approval, for_device, csrf_token }), None))
    }

    /// Takes the user's answer, once, and gives the client's; with a new browser session's cookie where there is one.
    ///
    /// # Errors
    /// Unknown, answered, expired, another browser, or a form that is not ours.
    pub async fn answer_consent(
        &self,
        consent_id: &Secret<String>,
        cookies: &[Secret<String>],
        csrf_shown: &str,
        decision: ConsentDecision,
    ) -> Result<(AuthorizationResponse, Option<Secret<String>>), ConsentError> {
        let (session, client, said) = self.open_consent(consent_id, cookies).await?;
        let Decision::Approved(approval) = said else { return Err(ConsentError::Unknown) };
        check_csrf_token(csrf_shown, &csrf_token(consent_id, session.cookie_of(cookies)?))?;
        match decision {
            ConsentDecision::Allow => {
                let concluded =
                    self.conclude(&client, &session.request, approval, Some(session.id_hash), None).await?;
                concluded.ok_or(ConsentError::Unknown)
            }
            ConsentDecision::Deny => {
                self.end(&session).await?;
                let code = OAuthErrorCode::AccessDenied;
                Ok((self.refuse(&client, &session.request, code, "the user said no"), None))
            }
        }
    }

    /// Ends a login session without a grant.
    async fn end(&self, session: &LoginSession) -> Result<(), ConsentError> {
        let ended = self.store.end_login_session(&session.id_hash, self.now()).await?;
        if ended { Ok(()) } else { Err(ConsentError::Unknown) }
    }

    /// What the demo's own login page shows.
    ///
    /// # Errors
    /// Not in demo mode, unknown, decided, expired, or another browser.
    pub async fn prompt_for_login(
        &self,
        id: &Secret<String>,
        cookies: &[Secret<String>],
    ) -> Result<LoginPrompt, ConsentError> {
        if !self.settings.demo {
            return Err(ConsentError::Unknown);
        }
        let session = self.store.login_session(&Sha256Hash::of(id.expose()), self.now()).await?;
        let session = session.filter(|session| session.decision.is_none()).ok_or(ConsentError::Unknown)?;
        let csrf_token = csrf_token(id, session.cookie_of(cookies)?);
        let client = self.client_of(&session).await?.ok_or(ConsentError::Unknown)?;
        Ok(LoginPrompt { client, request: session.request, csrf_token })
    }

    /// Takes the answer to the demo's login page: who the user says they are, or nobody; gives the address that the
    /// browser goes to next. Who is not the one that the client insists on is denied.
    ///
    /// # Errors
    /// As [`Self::prompt_for_login`], or a form that is not ours.
    pub async fn answer_login(
        &self,
        id: &Secret<String>,
        cookies: &[Secret<String>],
        csrf_shown: &str,
        user: Option<&DemoUser>,
    ) -> Result<String, ConsentError> {
        let prompt = self.prompt_for_login(id, cookies).await?;
        check_csrf_token(csrf_shown, &prompt.csrf_token)?;
        let deny = |code, text: String| self.deny(id, Denial { code, description: Some(text) });
        let decided = if let Some(DemoUser { user, claims, .. }) = user.cloned() {
            let approval = Approval { user, claims, auth_time: self.now(), acr: None, amr: Vec::new() };
            match self.approve(id, approval).await {
                Err(ApprovalError::Unmet(unmet)) => deny(unmet.code(), unmet.to_string()).await,
                decided => decided,
            }
        } else {
            deny(OAuthErrorCode::AccessDenied, "the user did not log in".to_owned()).await
        };
        decided.map_err(|error| match error {
            ApprovalError::Store(error) => ConsentError::Store(error),
            _ => ConsentError::Unknown,
        })
    }

    /// Keeps the grant and its code, and answers with the code; `None` if the login session had ended before.
    pub(crate) async fn conclude(
        &self,
        client: &Client,
        request: &AuthorizationRequest,
        approval: Approval,
        login_session: Option<Sha256Hash>,
        sid: Option<String>,
    ) -> Result<Option<(AuthorizationResponse, Option<Secret<String>>)>, StoreError> {
        let now = self.now();
        let code = random_token(&self.randomness);
        let grant_id = self.draw_id();
        let browser_cookie = login_session.is_some().then(|| random_token(&self.randomness));
        let sid = sid.unwrap_or_else(|| self.draw_id());
        let browser_session = browser_cookie.as_ref().map(|cookie| BrowserSession {
            id_hash: Sha256Hash::of(cookie.expose()),
            sid: sid.clone(),
            approval: approval.clone(),
            expires_at: now + self.settings.browser_session_lifetime,
        });
        let conclusion = Conclusion {
            login_session,
            code: AuthorizationCode {
                hash: Sha256Hash::of(code.expose()),
                grant_id: grant_id.clone(),
                redirect_uri: request.redirect_uri_given.then(|| request.redirect_uri.clone()),
                code_challenge: request.code_challenge.as_deref().and_then(CodeChallenge::parse),
                nonce: request.nonce.clone(),
                dpop_jkt: request.dpop_jkt.clone(),
                expires_at: now + IssuerSettings::CODE_LIFETIME,
                used_at: None,
            },
            consent: Some(Consent {
                user: approval.user.clone(),
                client_id: client.client_id.clone(),
                scopes: request.scopes.clone(),
                granted_at: now,
            }),
            grant: Grant {
                id: grant_id,
                client_id: client.client_id.clone(),
                user: approval.user.clone(),
                created_at: now,
                expires_at: now + self.settings.grant_lifetime,
                revoked_at: None,
                details: GrantDetails {
                    scopes: request.scopes.clone(),
                    claims: approval.claims,
                    auth_time: approval.auth_time,
                    acr: approval.acr,
                    amr: approval.amr,
                    resources: request.resources.clone(),
                    requested_claims: request.claims.clone(),
                    sid: Some(sid),
                },
            },
            browser_session,
        };
        if !self.store.conclude(&conclusion).await? {
            return Ok(None);
        }
        Ok(Some((request.respond(&self.settings, [("code", code.into_exposed())]), browser_cookie)))
    }

    /// Whether the page may be left out. RFC 6749 10.2: not where anybody can be the client.
    pub(crate) async fn is_consent_remembered(
        &self,
        client: &Client,
        request: &AuthorizationRequest,
        user: &str,
    ) -> Result<bool, StoreError> {
        let recognisable = client.is_confidential() || request.redirect_uri.starts_with("https://");
        if !recognisable {
            return Ok(false);
        }
        let consent = self.store.consent(user, &client.client_id).await?;
        Ok(consent.is_some_and(|consent| request.scopes.is_subset_of(&consent.scopes)))
    }

    fn refuse(
        &self,
        client: &Client,
        request: &AuthorizationRequest,
        code: OAuthErrorCode,
        description: &str,
    ) -> AuthorizationResponse {
        let mut response = request.refuse(&self.settings, code, description);
        if client.metadata.profile == ClientProfile::LegacyConfidential {
            // Published clients of the small OAuth 2 server read this one.
            response.params.push(("error_reason", code.as_str().to_owned()));
        }
        response
    }

    async fn open_login_session(&self, id: &Secret<String>) -> Result<LoginSession, ApprovalError> {
        let session = self.store.login_session(&Sha256Hash::of(id.expose()), self.now()).await?;
        session.ok_or(ApprovalError::Unknown)
    }

    async fn client_of(&self, session: &LoginSession) -> Result<Option<Client>, StoreError> {
        if session.request.client_id == PAGES_CLIENT_ID {
            return Ok(Some(self.pages_client()));
        }
        self.store.client(&session.request.client_id).await
    }

    async fn open_consent(
        &self,
        consent_id: &Secret<String>,
        cookies: &[Secret<String>],
    ) -> Result<(LoginSession, Client, Decision), ConsentError> {
        let consent_hash = Sha256Hash::of(consent_id.expose());
        let session = self.store.login_session_of_consent(&consent_hash, self.now()).await?;
        let session = session.ok_or(ConsentError::Unknown)?;
        session.cookie_of(cookies)?;
        let client = self.client_of(&session).await?.ok_or(ConsentError::Unknown)?;
        let decision = session.decision.clone().ok_or(ConsentError::Unknown)?;
        Ok((session, client, decision))
    }
}

/// Two secrets that another site has neither of, hashed together.
pub(crate) fn csrf_token(id: &Secret<String>, cookie: &Secret<String>) -> Secret<String> {
    Secret::new(Sha256Hash::of(format!("form\n{}\n{}", id.expose(), cookie.expose())).as_str().to_owned())
}

pub(crate) fn check_csrf_token(shown: &str, expected: &Secret<String>) -> Result<(), ConsentError> {
    // Hashes compare in constant time.
    if Sha256Hash::of(shown) == Sha256Hash::of(expected.expose()) {
        Ok(())
    } else {
        Err(ConsentError::Forged)
    }
}

impl ConsentPrompt {
    /// The scopes asked for.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.request.scopes
    }
}
