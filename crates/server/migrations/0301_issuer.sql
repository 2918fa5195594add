-- What the issuer keeps: signing keys, clients, login sessions, grants with their codes and refresh tokens.

CREATE TABLE issuer_keys (
    key_id TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    sealed_private_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);
CREATE UNIQUE INDEX issuer_keys_signing ON issuer_keys (algorithm) WHERE retired_at IS NULL;

CREATE TABLE issuer_clients (
    client_id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    secret_hash TEXT,
    registration_token_hash TEXT,
    created_at BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    UNIQUE (owner, name)
);

CREATE TABLE issuer_login_sessions (
    id_hash TEXT PRIMARY KEY,
    cookie_hash TEXT NOT NULL,
    request TEXT NOT NULL,
    decision TEXT,
    consent_hash TEXT UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX issuer_login_sessions_expiry ON issuer_login_sessions (expires_at);

CREATE TABLE issuer_grants (
    grant_id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    details TEXT NOT NULL
);
CREATE INDEX issuer_grants_user ON issuer_grants (user_name, client_id);
CREATE INDEX issuer_grants_expiry ON issuer_grants (expires_at);

CREATE TABLE issuer_codes (
    code_hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    redirect_uri TEXT,
    code_challenge TEXT,
    nonce TEXT,
    dpop_jkt TEXT,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX issuer_codes_expiry ON issuer_codes (expires_at);

CREATE TABLE issuer_refresh_tokens (
    token_hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    dpop_jkt TEXT
);
CREATE INDEX issuer_refresh_tokens_expiry ON issuer_refresh_tokens (expires_at);

CREATE TABLE issuer_consents (
    user_name TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (user_name, client_id)
);

CREATE TABLE issuer_browser_sessions (
    id_hash TEXT PRIMARY KEY,
    sid TEXT NOT NULL,
    approval TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX issuer_browser_sessions_expiry ON issuer_browser_sessions (expires_at);

CREATE TABLE issuer_pushed_requests (
    request_hash TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- One row: the sealed salt of pairwise subjects.
CREATE TABLE issuer_pairwise_salt (
    salt_name TEXT PRIMARY KEY,
    sealed_salt BYTEA NOT NULL
);

-- DPoP proofs and client assertions that came, so that none is taken twice by any server.
CREATE TABLE issuer_used_proofs (
    proof_hash TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX issuer_used_proofs_expiry ON issuer_used_proofs (expires_at);

CREATE TABLE issuer_devices (
    device_code_hash TEXT PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    answer_to TEXT UNIQUE,
    times_typed BIGINT NOT NULL DEFAULT 0,
    polled_at BIGINT,
    interval_millis BIGINT NOT NULL DEFAULT 5000,
    too_fast BIGINT NOT NULL DEFAULT 0,
    grant_id TEXT,
    denied_at BIGINT,
    taken_at BIGINT
);
CREATE INDEX issuer_devices_expiry ON issuer_devices (expires_at);
