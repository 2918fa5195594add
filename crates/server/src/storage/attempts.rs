//! The table `attempts`: who waits under which state, and how attempts ended.

use handfast_broker::{
    Attempt, AttemptFilter, Attempts, EventKind, NewAttempt, NewConnection, Outcome, RefusedAttempt, Sealed,
    StoreError,
};
use handfast_protocol::{AttemptId, ConfigKey, ConnectionId, ErrorCode, Sha256Hash, Timestamp};

use super::{Storage, connections, events, on_either};

/// The word that stands for success; every other ending is an error code.
const SUCCEEDED: &str = "succeeded";

/// How many refused starts are kept at most: enough for honest mistakes, too few to fill a disk.
const MOST_REFUSED: i64 = 10_000;

const COLUMNS: &str = "secret_hash, attempt_id, integration_id, config_key, connection_id, origin, return_to, state_hash, \
     cookie_hash, sealed_details, created_at, expires_at, taken_at, outcome, outcome_message";

#[derive(sqlx::FromRow)]
struct Row {
    secret_hash: String,
    attempt_id: String,
    integration_id: Option<String>,
    config_key: Option<String>,
    connection_id: Option<String>,
    origin: String,
    return_to: Option<String>,
    state_hash: Option<String>,
    cookie_hash: Option<String>,
    sealed_details: Option<Vec<u8>>,
    created_at: i64,
    expires_at: i64,
    taken_at: Option<i64>,
    outcome: Option<String>,
    outcome_message: Option<String>,
}

impl TryFrom<Row> for Attempt {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let message = row.outcome_message.unwrap_or_default();
        Ok(Self {
            secret_hash: Sha256Hash::from_stored(row.secret_hash),
            attempt_id: AttemptId::parse(&row.attempt_id).map_err(StoreError::new)?,
            integration_id: row.integration_id,
            config_key: row
                .config_key
                .map(|key| ConfigKey::parse(&key))
                .transpose()
                .map_err(StoreError::new)?,
            connection_id: row
                .connection_id
                .map(|id| ConnectionId::parse(&id))
                .transpose()
                .map_err(StoreError::new)?,
            origin: row.origin,
            return_to: row.return_to,
            state_hash: row.state_hash.map(Sha256Hash::from_stored),
            cookie_hash: row.cookie_hash.map(Sha256Hash::from_stored),
            sealed_details: row.sealed_details.map(Sealed::from_stored),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            taken_at: row.taken_at.map(Timestamp::from_millis),
            outcome: row.outcome.map(|word| read_outcome(&word, message)),
        })
    }
}

fn read_outcome(word: &str, message: String) -> Outcome {
    if word == SUCCEEDED {
        return Outcome::Succeeded;
    }
    // A word of another version is some failure in any case.
    Outcome::Failed { code: ErrorCode::parse(word).unwrap_or(ErrorCode::Internal), message }
}

fn outcome_columns(outcome: &Outcome) -> (&str, Option<&str>) {
    match outcome {
        Outcome::Succeeded => (SUCCEEDED, None),
        Outcome::Failed { code, message } => (code.as_str(), Some(message)),
    }
}

impl Storage {
    async fn attempt_where(
        &self,
        condition: &'static str,
        hash: &Sha256Hash,
    ) -> Result<Option<Attempt>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM attempts WHERE {condition} = $1");
        let row: Option<Row> = on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(hash.as_str())
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::new)?;
        row.map(Attempt::try_from).transpose()
    }

    /// Forgets attempts that expired before `before`, and answers how many.
    pub(crate) async fn purge_attempts(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM attempts WHERE expires_at < $1";
        let purged = on_either!(self, pool => sqlx::query(sql)
            .bind(before.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        purged.map_err(StoreError::new)
    }
}

impl Attempts for Storage {
    async fn put_attempt(&self, attempt: &NewAttempt) -> Result<Option<Attempt>, StoreError> {
        let sql = "INSERT INTO attempts (secret_hash, attempt_id, request_hash, integration_id, config_key, connection_id, \
                   origin, return_to, state_hash, cookie_hash, sealed_details, created_at, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                   ON CONFLICT (secret_hash) DO UPDATE SET state_hash = excluded.state_hash, \
                   cookie_hash = excluded.cookie_hash, sealed_details = excluded.sealed_details, \
                   integration_id = excluded.integration_id, expires_at = excluded.expires_at \
                   WHERE attempts.taken_at IS NULL AND attempts.outcome IS NULL AND attempts.origin = excluded.origin \
                   AND attempts.attempt_id = excluded.attempt_id AND attempts.request_hash = excluded.request_hash";
        let stored = on_either!(self, pool => sqlx::query(sql)
            .bind(attempt.secret_hash.as_str())
            .bind(attempt.attempt_id.as_str())
            .bind(attempt.request_hash.as_str())
            .bind(&attempt.integration_id)
            .bind(attempt.config_key.as_str())
            .bind(attempt.connection_id.as_str())
            .bind(&attempt.origin)
            .bind(&attempt.return_to)
            .bind(attempt.state_hash.as_str())
            .bind(attempt.cookie_hash.as_str())
            .bind(attempt.sealed_details.as_bytes())
            .bind(attempt.created_at.as_millis())
            .bind(attempt.expires_at.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        if stored.map_err(StoreError::new)? == 1 {
            return Ok(None);
        }
        self.attempt(&attempt.secret_hash).await
    }

    async fn put_refused_attempt(&self, refused: &RefusedAttempt) -> Result<(), StoreError> {
        let sql = "INSERT INTO attempts (secret_hash, attempt_id, config_key, connection_id, origin, created_at, expires_at, \
                   outcome, outcome_message) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 \
                   WHERE (SELECT COUNT(*) FROM attempts WHERE state_hash IS NULL) < $10 \
                   ON CONFLICT (secret_hash) DO NOTHING";
        let (outcome, message) = outcome_columns(&refused.outcome);
        let put = on_either!(self, pool => sqlx::query(sql)
            .bind(refused.secret_hash.as_str())
            .bind(refused.attempt_id.as_str())
            .bind(refused.config_key.as_ref().map(ConfigKey::as_str))
            .bind(refused.connection_id.as_ref().map(ConnectionId::as_str))
            .bind(&refused.origin)
            .bind(refused.created_at.as_millis())
            .bind(refused.expires_at.as_millis())
            .bind(outcome)
            .bind(message)
            .bind(MOST_REFUSED)
            .execute(pool)
            .await
            .map(drop));
        put.map_err(StoreError::new)
    }

    async fn attempts(
        &self,
        filter: &AttemptFilter,
        before: Option<&AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM attempts WHERE ($1 IS NULL OR config_key = $1) AND ($2 IS NULL OR connection_id = $2) \
             AND ($3 IS NULL OR (created_at, secret_hash) < \
             (SELECT later.created_at, later.secret_hash FROM attempts AS later WHERE later.attempt_id = $3 LIMIT 1)) \
             ORDER BY created_at DESC, secret_hash DESC LIMIT $4"
        );
        let rows: Vec<Row> = on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(filter.config_key.as_ref().map(ConfigKey::as_str))
            .bind(filter.connection_id.as_ref().map(ConnectionId::as_str))
            .bind(before.map(AttemptId::as_str))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::new)?;
        rows.into_iter().map(Attempt::try_from).collect()
    }

    async fn attempt(&self, secret_hash: &Sha256Hash) -> Result<Option<Attempt>, StoreError> {
        self.attempt_where("secret_hash", secret_hash).await
    }

    async fn attempt_by_state(&self, state_hash: &Sha256Hash) -> Result<Option<Attempt>, StoreError> {
        self.attempt_where("state_hash", state_hash).await
    }

    async fn live_attempt_by_cookie(
        &self,
        cookie_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<Attempt>, StoreError> {
        let found = self.attempt_where("cookie_hash", cookie_hash).await?;
        Ok(found.filter(|attempt| {
            attempt.taken_at.is_none() && attempt.outcome.is_none() && now < attempt.expires_at
        }))
    }

    async fn take_attempt(
        &self,
        state_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<Attempt>, StoreError> {
        let sql = format!(
            "UPDATE attempts SET taken_at = $1 WHERE state_hash = $2 AND taken_at IS NULL AND outcome IS NULL \
             AND expires_at > $1 RETURNING {COLUMNS}"
        );
        let row: Option<Row> = on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(state_hash.as_str())
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::new)?;
        row.map(Attempt::try_from).transpose()
    }

    async fn end_attempt(
        &self,
        secret_hash: &Sha256Hash,
        taken_after: Timestamp,
        outcome: &Outcome,
        connection: Option<&NewConnection>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE attempts SET outcome = $1, outcome_message = $2, sealed_details = NULL \
                   WHERE secret_hash = $3 AND outcome IS NULL AND taken_at > $4";
        let (word, message) = outcome_columns(outcome);
        let _change = connection.and_then(|new| self.changing(&new.key.connection_id));
        let connection = match connection {
            Some(new) => Some((new, connections::ConnectionRow::new(new)?)),
            None => None,
        };
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(StoreError::new)?;
            let ended = sqlx::query(sql)
                .bind(word)
                .bind(message)
                .bind(secret_hash.as_str())
                .bind(taken_after.as_millis())
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::new)?
                .rows_affected() == 1;
            if let Some((new, row)) = connection.as_ref().filter(|_| ended) {
                connections::put_connection!(row).execute(&mut *transaction).await.map_err(StoreError::new)?;
                let (key, now) = (&new.key, new.now);
                events::put_event!(self, key, EventKind::Created, events::NO_REASON, now).execute(&mut *transaction).await.map_err(StoreError::new)?;
            }
            transaction.commit().await.map_err(StoreError::new)?;
            Ok(ended)
        })
    }

    async fn cancel_attempt(&self, secret_hash: &Sha256Hash, outcome: &Outcome) -> Result<bool, StoreError> {
        let sql = "UPDATE attempts SET outcome = $1, outcome_message = $2, sealed_details = NULL \
                   WHERE secret_hash = $3 AND outcome IS NULL AND taken_at IS NULL";
        let (word, message) = outcome_columns(outcome);
        let ended = on_either!(self, pool => sqlx::query(sql)
            .bind(word)
            .bind(message)
            .bind(secret_hash.as_str())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(ended.map_err(StoreError::new)? == 1)
    }
}
