-- Connect tokens by their hash. What one pins is a JSON object; a used one names the attempt that used it.
CREATE TABLE connect_tokens (
    hash TEXT PRIMARY KEY,
    pinned TEXT NOT NULL,
    attempt_secret_hash TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX connect_tokens_by_end ON connect_tokens (expires_at);
