-- Integrations. Scopes, origins and return_to are JSON arrays, overrides a JSON object, legacy_start 0 or 1.
CREATE TABLE integrations (
    id TEXT PRIMARY KEY,
    config_key TEXT NOT NULL UNIQUE,
    provider_name TEXT NOT NULL,
    provider_overrides TEXT NOT NULL,
    client_id TEXT NOT NULL,
    sealed_client_secret BYTEA,
    scopes TEXT NOT NULL,
    allowed_origins TEXT NOT NULL,
    legacy_start BIGINT NOT NULL,
    install_url TEXT,
    allowed_return_to TEXT NOT NULL,
    redirect_uri_kind TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
