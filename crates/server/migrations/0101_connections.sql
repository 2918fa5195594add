-- Connections. Instants are milliseconds since the epoch; granted_scopes is a JSON array, params and metadata are JSON
-- objects. The credentials are sealed for integration_id and connection_id.
CREATE TABLE connections (
    integration_id TEXT NOT NULL REFERENCES integrations (id),
    connection_id TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    sealed_credentials BYTEA NOT NULL,
    version BIGINT NOT NULL,
    expires_at BIGINT,
    refresh_at BIGINT,
    granted_scopes TEXT NOT NULL,
    params TEXT NOT NULL,
    metadata TEXT NOT NULL,
    refresh_failures BIGINT NOT NULL,
    retry_at BIGINT,
    lease_owner TEXT,
    lease_expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (integration_id, connection_id)
);

CREATE INDEX connections_by_age ON connections (created_at, id);
CREATE INDEX connections_by_refresh ON connections (refresh_at, id) WHERE status = 'active';
