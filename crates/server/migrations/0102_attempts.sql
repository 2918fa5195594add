-- Attempts, named by the hash of their secret. State and cookie are hashes too; what the callback needs is sealed for
-- the state's hash. A refused start has an outcome and no state.
CREATE TABLE attempts (
    secret_hash TEXT PRIMARY KEY,
    attempt_id TEXT NOT NULL,
    request_hash TEXT,
    integration_id TEXT,
    config_key TEXT,
    connection_id TEXT,
    origin TEXT NOT NULL,
    return_to TEXT,
    state_hash TEXT UNIQUE,
    cookie_hash TEXT UNIQUE,
    sealed_details BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    taken_at BIGINT,
    outcome TEXT,
    outcome_message TEXT
);

CREATE INDEX attempts_by_end ON attempts (expires_at);
