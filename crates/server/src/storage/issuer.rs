//! The issuer's ports, kept in the database.

use std::time::Duration;

use handfast_issuer::{
    AuthorizationCode, AuthorizationRequest, BrowserSession, Client, ClientStore, Conclusion, Consent,
    Decision, Grant, GrantStore, KeyStore, LoginSession, LoginSessionStore, PushedRequest, RefreshToken,
    ReplayStore, SigningAlgorithm, StoreError, StoredKey,
};
use handfast_protocol::{CodeChallenge, Scopes, Sealed, Sha256Hash, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::FromRow;

use super::{Storage, on_either};

pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError(Box::new(error))
}

/// Runs a statement with its values on `$executor`: how many rows it changed.
macro_rules! run_on {
    ($executor:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        sqlx::query($sql)
            $(.bind($value))*
            .execute($executor)
            .await
            .map(|done| done.rows_affected())
            .map_err($crate::storage::issuer::failed)
    };
}
pub(super) use run_on;

/// Runs a statement with its values: how many rows it changed.
macro_rules! run {
    ($storage:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::storage::on_either!($storage, pool => $crate::storage::issuer::run_on!(pool, $sql $(, $value)*))
    };
}
pub(super) use run;

/// The row that a statement with these values answers, if any.
macro_rules! find {
    ($storage:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::storage::on_either!($storage, pool => sqlx::query_as($sql)
            $(.bind($value))*
            .fetch_optional(pool)
            .await)
        .map_err($crate::storage::issuer::failed)
    };
}
pub(super) use find;

/// All the rows that a statement with these values answers.
macro_rules! list {
    ($storage:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on_either!($storage, pool => sqlx::query_as($sql)$(.bind($value))*.fetch_all(pool).await).map_err(failed)
    };
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(failed)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(failed)
}

#[derive(FromRow)]
struct KeyRow {
    key_id: String,
    algorithm: String,
    sealed_private_key: Vec<u8>,
    created_at: i64,
    retired_at: Option<i64>,
}

impl KeyStore for Storage {
    async fn pairwise_salt(&self) -> Result<Option<Sealed>, StoreError> {
        const SQL: &str = "SELECT sealed_salt FROM issuer_pairwise_salt WHERE salt_name = 'salt'";
        let row: Option<(Vec<u8>,)> = find!(self, SQL)?;
        Ok(row.map(|(sealed,)| Sealed::from_stored(sealed)))
    }

    async fn put_pairwise_salt(&self, salt: &Sealed) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO issuer_pairwise_salt (salt_name, sealed_salt) VALUES ('salt', $1) \
                           ON CONFLICT DO NOTHING";
        run!(self, SQL, salt.as_bytes()).map(drop)
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        const SQL: &str = "SELECT key_id, algorithm, sealed_private_key, created_at, retired_at FROM issuer_keys \
                           ORDER BY created_at DESC, key_id";
        let rows: Vec<KeyRow> = list!(self, SQL)?;
        let read = |row: KeyRow| {
            let algorithm = SigningAlgorithm::parse(&row.algorithm);
            Ok(StoredKey {
                id: row.key_id,
                algorithm: algorithm
                    .ok_or_else(|| StoreError("a signing key of an unknown algorithm".into()))?,
                sealed_private_key: Sealed::from_stored(row.sealed_private_key),
                created_at: Timestamp::from_millis(row.created_at),
                retired_at: row.retired_at.map(Timestamp::from_millis),
            })
        };
        rows.into_iter().map(read).collect()
    }

    async fn put_key(
        &self,
        key: &StoredKey,
        replace: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const RETIRE: &str =
            "UPDATE issuer_keys SET retired_at = $1 WHERE key_id = $2 AND retired_at IS NULL";
        const INSERT: &str = "INSERT INTO issuer_keys (key_id, algorithm, sealed_private_key, created_at) \
                              VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let (algorithm, created_at) = (key.algorithm.as_str(), key.created_at.as_millis());
        let sealed = key.sealed_private_key.as_bytes();
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(failed)?;
            run_on!(&mut *transaction, RETIRE, now.as_millis(), replace.unwrap_or_default())?;
            run_on!(&mut *transaction, INSERT, &key.id, algorithm, sealed, created_at)?;
            transaction.commit().await.map_err(failed)
        })
    }
}

#[derive(FromRow)]
struct ClientRow {
    client_id: String,
    owner: String,
    name: String,
    secret_hash: Option<String>,
    registration_token_hash: Option<String>,
    created_at: i64,
    metadata: String,
}

impl ClientRow {
    fn read(self) -> Result<Client, StoreError> {
        Ok(Client {
            client_id: self.client_id,
            owner: self.owner,
            name: self.name,
            secret_hash: self.secret_hash.map(Sha256Hash::from_stored),
            registration_token_hash: self.registration_token_hash.map(Sha256Hash::from_stored),
            created_at: Timestamp::from_millis(self.created_at),
            metadata: from_json(&self.metadata)?,
        })
    }
}

impl ClientStore for Storage {
    async fn client(&self, client_id: &str) -> Result<Option<Client>, StoreError> {
        const SQL: &str = "SELECT client_id, owner, name, secret_hash, registration_token_hash, created_at, metadata \
                           FROM issuer_clients WHERE client_id = $1";
        let row: Option<ClientRow> = find!(self, SQL, client_id)?;
        row.map(ClientRow::read).transpose()
    }

    async fn put_client(&self, client: &Client) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO issuer_clients \
                           (client_id, owner, name, secret_hash, registration_token_hash, created_at, metadata) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        let metadata = to_json(&client.metadata)?;
        Ok(run!(
            self,
            SQL,
            &client.client_id,
            &client.owner,
            &client.name,
            client.secret_hash.as_ref().map(Sha256Hash::as_str),
            client.registration_token_hash.as_ref().map(Sha256Hash::as_str),
            client.created_at.as_millis(),
            metadata
        )? == 1)
    }

    async fn replace_client(&self, client: &Client) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE issuer_clients SET owner = $2, name = $3, secret_hash = $4, \
                           registration_token_hash = $5, metadata = $6 \
                           WHERE client_id = $1 AND NOT EXISTS \
                           (SELECT 1 FROM issuer_clients WHERE owner = $2 AND name = $3 AND client_id <> $1)";
        let metadata = to_json(&client.metadata)?;
        Ok(run!(
            self,
            SQL,
            &client.client_id,
            &client.owner,
            &client.name,
            client.secret_hash.as_ref().map(Sha256Hash::as_str),
            client.registration_token_hash.as_ref().map(Sha256Hash::as_str),
            metadata
        )? == 1)
    }

    async fn delete_client(&self, client_id: &str, now: Timestamp) -> Result<bool, StoreError> {
        const DELETE: &str = "DELETE FROM issuer_clients WHERE client_id = $1";
        const REVOKE: &str =
            "UPDATE issuer_grants SET revoked_at = $1 WHERE client_id = $2 AND revoked_at IS NULL";
        const FORGET: &str = "DELETE FROM issuer_consents WHERE client_id = $1";
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(failed)?;
            let rows = run_on!(&mut *transaction, DELETE, client_id)?;
            run_on!(&mut *transaction, REVOKE, now.as_millis(), client_id)?;
            run_on!(&mut *transaction, FORGET, client_id)?;
            transaction.commit().await.map_err(failed)?;
            Ok(rows == 1)
        })
    }

    async fn clients_of(&self, owner: &str) -> Result<Vec<Client>, StoreError> {
        const SQL: &str = "SELECT client_id, owner, name, secret_hash, registration_token_hash, created_at, metadata \
                           FROM issuer_clients WHERE owner = $1 ORDER BY name";
        let rows: Vec<ClientRow> = list!(self, SQL, owner)?;
        rows.into_iter().map(ClientRow::read).collect()
    }
}

#[derive(FromRow)]
struct LoginSessionRow {
    id_hash: String,
    cookie_hash: String,
    request: String,
    decision: Option<String>,
    created_at: i64,
    expires_at: i64,
}

impl LoginSessionRow {
    fn read(self) -> Result<LoginSession, StoreError> {
        Ok(LoginSession {
            id_hash: Sha256Hash::from_stored(self.id_hash),
            cookie_hash: Sha256Hash::from_stored(self.cookie_hash),
            request: from_json(&self.request)?,
            decision: self.decision.as_deref().map(from_json).transpose()?,
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: Timestamp::from_millis(self.expires_at),
        })
    }
}

impl LoginSessionStore for Storage {
    async fn put_login_session(&self, session: &LoginSession) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO issuer_login_sessions (id_hash, cookie_hash, request, created_at, expires_at) \
                           VALUES ($1, $2, $3, $4, $5)";
        let request = to_json(&session.request)?;
        run!(
            self,
            SQL,
            session.id_hash.as_str(),
            session.cookie_hash.as_str(),
            request,
            session.created_at.as_millis(),
            session.expires_at.as_millis()
        )
        .map(drop)
    }

    async fn login_session(
        &self,
        id_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<LoginSession>, StoreError> {
        const SQL: &str = "SELECT id_hash, cookie_hash, request, decision, created_at, expires_at \
                           FROM issuer_login_sessions WHERE id_hash = $1 AND expires_at > $2";
        let row: Option<LoginSessionRow> = find!(self, SQL, id_hash.as_str(), now.as_millis())?;
        row.map(LoginSessionRow::read).transpose()
    }

    async fn login_session_of_consent(
        &self,
        consent_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<LoginSession>, StoreError> {
        const SQL: &str = "SELECT id_hash, cookie_hash, request, decision, created_at, expires_at \
                           FROM issuer_login_sessions \
                           WHERE consent_hash = $1 AND expires_at > $2 AND ended_at IS NULL";
        let row: Option<LoginSessionRow> = find!(self, SQL, consent_hash.as_str(), now.as_millis())?;
        row.map(LoginSessionRow::read).transpose()
    }

    async fn decide_login_session(
        &self,
        id_hash: &Sha256Hash,
        decision: &Decision,
        consent_hash: &Sha256Hash,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE issuer_login_sessions SET decision = $1, consent_hash = $2 \
                           WHERE id_hash = $3 AND decision IS NULL AND ended_at IS NULL";
        let decision = to_json(decision)?;
        Ok(run!(self, SQL, decision, consent_hash.as_str(), id_hash.as_str())? == 1)
    }

    async fn put_pushed_request(&self, pushed: &PushedRequest) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO issuer_pushed_requests (request_hash, client_id, request, expires_at) \
                           VALUES ($1, $2, $3, $4)";
        let request = to_json(&pushed.request)?;
        run!(
            self,
            SQL,
            pushed.hash.as_str(),
            &pushed.request.client_id,
            request,
            pushed.expires_at.as_millis()
        )
        .map(drop)
    }

    async fn take_pushed_request(
        &self,
        hash: &Sha256Hash,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Option<AuthorizationRequest>, StoreError> {
        const SQL: &str = "DELETE FROM issuer_pushed_requests \
                           WHERE request_hash = $1 AND client_id = $2 AND expires_at > $3 RETURNING request";
        let row: Option<(String,)> = find!(self, SQL, hash.as_str(), client_id, now.as_millis())?;
        row.map(|(request,)| from_json(&request)).transpose()
    }

    async fn end_login_session(&self, id_hash: &Sha256Hash, now: Timestamp) -> Result<bool, StoreError> {
        Ok(run!(self, END_LOGIN_SESSION, now.as_millis(), id_hash.as_str())? == 1)
    }
}

impl ReplayStore for Storage {
    async fn is_first_use(
        &self,
        proof: &Sha256Hash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // What has expired and is not forgotten yet does not count.
        const SQL: &str = "INSERT INTO issuer_used_proofs (proof_hash, expires_at) VALUES ($1, $2) \
                           ON CONFLICT (proof_hash) DO UPDATE SET expires_at = excluded.expires_at \
                           WHERE issuer_used_proofs.expires_at < $3";
        Ok(run!(self, SQL, proof.as_str(), expires_at.as_millis(), now.as_millis())? == 1)
    }
}

const END_LOGIN_SESSION: &str =
    "UPDATE issuer_login_sessions SET ended_at = $1 WHERE id_hash = $2 AND ended_at IS NULL";

/// A grant, and the code or refresh token it was found by.
#[derive(FromRow)]
struct GrantRow {
    grant_id: String,
    client_id: String,
    user_name: String,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    details: String,
}

impl GrantRow {
    fn read(self) -> Result<Grant, StoreError> {
        Ok(Grant {
            id: self.grant_id,
            client_id: self.client_id,
            user: self.user_name,
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            revoked_at: self.revoked_at.map(Timestamp::from_millis),
            details: from_json(&self.details)?,
        })
    }
}

#[derive(FromRow)]
struct CodeRow {
    #[sqlx(flatten)]
    grant: GrantRow,
    code_hash: String,
    redirect_uri: Option<String>,
    code_challenge: Option<String>,
    nonce: Option<String>,
    dpop_jkt: Option<String>,
    own_expires_at: i64,
    used_at: Option<i64>,
}

#[derive(FromRow)]
struct RefreshTokenRow {
    #[sqlx(flatten)]
    grant: GrantRow,
    token_hash: String,
    own_expires_at: i64,
    used_at: Option<i64>,
    dpop_jkt: Option<String>,
}

#[derive(FromRow)]
struct ConsentRow {
    scopes: String,
    granted_at: i64,
}

#[derive(FromRow)]
struct BrowserSessionRow {
    id_hash: String,
    sid: String,
    approval: String,
    expires_at: i64,
}

/// Inserts one grant on `$executor`.
macro_rules! insert_grant {
    ($executor:expr, $grant:expr, $details:expr) => {
        run_on!(
            $executor,
            "INSERT INTO issuer_grants (grant_id, client_id, user_name, created_at, expires_at, details) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &$grant.id,
            &$grant.client_id,
            &$grant.user,
            $grant.created_at.as_millis(),
            $grant.expires_at.as_millis(),
            $details
        )
    };
}

/// Inserts one browser session on `$executor`.
macro_rules! insert_browser_session {
    ($executor:expr, $session:expr, $approval:expr) => {
        run_on!(
            $executor,
            "INSERT INTO issuer_browser_sessions (id_hash, sid, approval, expires_at) VALUES ($1, $2, $3, $4)",
            $session.id_hash.as_str(),
            &$session.sid,
            $approval,
            $session.expires_at.as_millis()
        )
    };
}

/// Inserts one refresh token on `$executor`.
macro_rules! insert_refresh_token {
    ($executor:expr, $token:expr) => {
        $crate::storage::issuer::run_on!(
            $executor,
            "INSERT INTO issuer_refresh_tokens (token_hash, grant_id, expires_at, dpop_jkt) VALUES ($1, $2, $3, $4)",
            $token.hash.as_str(),
            &$token.grant_id,
            $token.expires_at.as_millis(),
            &$token.dpop_jkt
        )
    };
}
pub(super) use insert_refresh_token;

impl GrantStore for Storage {
    async fn conclude(&self, conclusion: &Conclusion) -> Result<bool, StoreError> {
        const INSERT_CODE: &str = "INSERT INTO issuer_codes (code_hash, grant_id, redirect_uri, code_challenge, nonce, dpop_jkt, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        const PUT_CONSENT: &str = "INSERT INTO issuer_consents (user_name, client_id, scopes, granted_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (user_name, client_id) DO UPDATE \
             SET scopes = excluded.scopes, granted_at = excluded.granted_at";
        let Conclusion { login_session, grant, code, consent, browser_session } = conclusion;
        let details = to_json(&grant.details)?;
        let approval = browser_session.as_ref().map(|session| to_json(&session.approval)).transpose()?;
        let consent = match consent {
            Some(consent) => Some((consent, to_json(&consent.scopes)?)),
            None => None,
        };
        let challenge = code.code_challenge.as_ref().map(CodeChallenge::as_str);
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(failed)?;
            if let Some(id_hash) = login_session {
                let now = grant.created_at.as_millis();
                if run_on!(&mut *transaction, END_LOGIN_SESSION, now, id_hash.as_str())? == 0 {
                    return Ok(false);
                }
            }
            insert_grant!(&mut *transaction, grant, details)?;
            run_on!(
                &mut *transaction,
                INSERT_CODE,
                code.hash.as_str(),
                &code.grant_id,
                &code.redirect_uri,
                challenge,
                &code.nonce,
                &code.dpop_jkt,
                code.expires_at.as_millis()
            )?;
            if let Some((consent, scopes)) = consent {
                let granted_at = consent.granted_at.as_millis();
                run_on!(&mut *transaction, PUT_CONSENT, &consent.user, &consent.client_id, scopes, granted_at)?;
            }
            if let (Some(session), Some(approval)) = (browser_session, approval) {
                insert_browser_session!(&mut *transaction, session, approval)?;
            }
            transaction.commit().await.map_err(failed)?;
            Ok(true)
        })
    }

    async fn put_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        let details = to_json(&grant.details)?;
        on_either!(self, pool => insert_grant!(pool, grant, details).map(drop))
    }

    async fn code(&self, code_hash: &Sha256Hash) -> Result<Option<(AuthorizationCode, Grant)>, StoreError> {
        const SQL: &str = "SELECT g.grant_id, g.client_id, g.user_name, g.created_at, g.expires_at, g.revoked_at, \
                           g.details, c.code_hash, c.redirect_uri, c.code_challenge, c.nonce, c.dpop_jkt, \
                           c.expires_at AS own_expires_at, c.used_at \
                           FROM issuer_codes c JOIN issuer_grants g ON g.grant_id = c.grant_id WHERE c.code_hash = $1";
        let row: Option<CodeRow> = find!(self, SQL, code_hash.as_str())?;
        let read = |row: CodeRow| {
            let code = AuthorizationCode {
                hash: Sha256Hash::from_stored(row.code_hash),
                grant_id: row.grant.grant_id.clone(),
                redirect_uri: row.redirect_uri,
                code_challenge: row.code_challenge.as_deref().and_then(CodeChallenge::parse),
                nonce: row.nonce,
                dpop_jkt: row.dpop_jkt,
                expires_at: Timestamp::from_millis(row.own_expires_at),
                used_at: row.used_at.map(Timestamp::from_millis),
            };
            Ok((code, row.grant.read()?))
        };
        row.map(read).transpose()
    }

    async fn take_code(
        &self,
        code_hash: &Sha256Hash,
        refresh_token: Option<&RefreshToken>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const USE: &str = "UPDATE issuer_codes SET used_at = $1 WHERE code_hash = $2 AND used_at IS NULL";
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(failed)?;
            if run_on!(&mut *transaction, USE, now.as_millis(), code_hash.as_str())? == 0 {
                return Ok(false);
            }
            if let Some(token) = refresh_token {
                insert_refresh_token!(&mut *transaction, token)?;
            }
            transaction.commit().await.map_err(failed)?;
            Ok(true)
        })
    }

    async fn refresh_token(
        &self,
        token_hash: &Sha256Hash,
    ) -> Result<Option<(RefreshToken, Grant)>, StoreError> {
        const SQL: &str = "SELECT g.grant_id, g.client_id, g.user_name, g.created_at, g.expires_at, g.revoked_at, \
                           g.details, t.token_hash, t.expires_at AS own_expires_at, t.used_at, t.dpop_jkt \
                           FROM issuer_refresh_tokens t JOIN issuer_grants g ON g.grant_id = t.grant_id \
                           WHERE t.token_hash = $1";
        let row: Option<RefreshTokenRow> = find!(self, SQL, token_hash.as_str())?;
        let read = |row: RefreshTokenRow| {
            let token = RefreshToken {
                hash: Sha256Hash::from_stored(row.token_hash),
                grant_id: row.grant.grant_id.clone(),
                expires_at: Timestamp::from_millis(row.own_expires_at),
                used_at: row.used_at.map(Timestamp::from_millis),
                dpop_jkt: row.dpop_jkt,
            };
            Ok((token, row.grant.read()?))
        };
        row.map(read).transpose()
    }

    async fn rotate_refresh_token(
        &self,
        token_hash: &Sha256Hash,
        successor: &RefreshToken,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const USE: &str =
            "UPDATE issuer_refresh_tokens SET used_at = $1 WHERE token_hash = $2 AND used_at IS NULL";
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(failed)?;
            if run_on!(&mut *transaction, USE, now.as_millis(), token_hash.as_str())? == 0 {
                return Ok(false);
            }
            insert_refresh_token!(&mut *transaction, successor)?;
            transaction.commit().await.map_err(failed)?;
            Ok(true)
        })
    }

    async fn grant(&self, grant_id: &str) -> Result<Option<Grant>, StoreError> {
        const SQL: &str = "SELECT grant_id, client_id, user_name, created_at, expires_at, revoked_at, details \
                           FROM issuer_grants WHERE grant_id = $1";
        let row: Option<GrantRow> = find!(self, SQL, grant_id)?;
        row.map(GrantRow::read).transpose()
    }

    async fn revoke_grant(&self, grant_id: &str, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str =
            "UPDATE issuer_grants SET revoked_at = $1 WHERE grant_id = $2 AND revoked_at IS NULL";
        run!(self, SQL, now.as_millis(), grant_id).map(drop)
    }

    async fn consent(&self, user: &str, client_id: &str) -> Result<Option<Consent>, StoreError> {
        const SQL: &str =
            "SELECT scopes, granted_at FROM issuer_consents WHERE user_name = $1 AND client_id = $2";
        let row: Option<ConsentRow> = find!(self, SQL, user, client_id)?;
        let read = |row: ConsentRow| {
            Ok(Consent {
                user: user.to_owned(),
                client_id: client_id.to_owned(),
                scopes: from_json::<Scopes>(&row.scopes)?,
                granted_at: Timestamp::from_millis(row.granted_at),
            })
        };
        row.map(read).transpose()
    }

    async fn consents_of(&self, user: &str) -> Result<Vec<Consent>, StoreError> {
        const SQL: &str = "SELECT client_id, scopes, granted_at FROM issuer_consents WHERE user_name = $1 \
                           ORDER BY granted_at DESC, client_id";
        let rows: Vec<(String, String, i64)> = list!(self, SQL, user)?;
        let read = |(client_id, scopes, granted_at): (String, String, i64)| {
            Ok(Consent {
                user: user.to_owned(),
                client_id,
                scopes: from_json::<Scopes>(&scopes)?,
                granted_at: Timestamp::from_millis(granted_at),
            })
        };
        rows.into_iter().map(read).collect()
    }

    async fn withdraw(&self, user: &str, client_id: &str, now: Timestamp) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM issuer_consents WHERE user_name = $1 AND client_id = $2";
        const REVOKE: &str = "UPDATE issuer_grants SET revoked_at = $1 \
                              WHERE user_name = $2 AND client_id = $3 AND revoked_at IS NULL";
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(failed)?;
            run_on!(&mut *transaction, FORGET, user, client_id)?;
            run_on!(&mut *transaction, REVOKE, now.as_millis(), user, client_id)?;
            transaction.commit().await.map_err(failed)
        })
    }

    async fn put_browser_session(&self, session: &BrowserSession) -> Result<(), StoreError> {
        let approval = to_json(&session.approval)?;
        on_either!(self, pool => insert_browser_session!(pool, session, approval).map(drop))
    }

    async fn end_browser_session(&self, id_hash: &Sha256Hash) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM issuer_browser_sessions WHERE id_hash = $1";
        run!(self, SQL, id_hash.as_str()).map(drop)
    }

    async fn forget_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        // A used code is kept for a day, so that its second use is recognised.
        let day_ago = now - Duration::from_hours(24);
        for (sql, before) in [
            ("DELETE FROM issuer_login_sessions WHERE expires_at < $1", now),
            ("DELETE FROM issuer_pushed_requests WHERE expires_at < $1", now),
            ("DELETE FROM issuer_used_proofs WHERE expires_at < $1", now),
            ("DELETE FROM issuer_browser_sessions WHERE expires_at < $1", now),
            ("DELETE FROM issuer_devices WHERE expires_at < $1", day_ago),
            ("DELETE FROM issuer_codes WHERE expires_at < $1", day_ago),
            ("DELETE FROM issuer_refresh_tokens WHERE expires_at < $1", now),
            ("DELETE FROM issuer_grants WHERE expires_at < $1", day_ago),
        ] {
            run!(self, sql, before.as_millis())?;
        }
        Ok(())
    }

    async fn browser_session(
        &self,
        id_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<BrowserSession>, StoreError> {
        const SQL: &str = "SELECT id_hash, sid, approval, expires_at FROM issuer_browser_sessions \
                           WHERE id_hash = $1 AND expires_at > $2";
        let row: Option<BrowserSessionRow> = find!(self, SQL, id_hash.as_str(), now.as_millis())?;
        let read = |row: BrowserSessionRow| {
            Ok(BrowserSession {
                id_hash: Sha256Hash::from_stored(row.id_hash),
                sid: row.sid,
                approval: from_json(&row.approval)?,
                expires_at: Timestamp::from_millis(row.expires_at),
            })
        };
        row.map(read).transpose()
    }
}
