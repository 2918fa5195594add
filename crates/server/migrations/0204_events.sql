-- Events, each written in the transaction that made it true. deliver_at is when the next delivery is due, NULL for none.
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    config_key TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deliveries BIGINT NOT NULL,
    deliver_at BIGINT,
    delivered_at BIGINT
);

CREATE INDEX events_by_age ON events (created_at, id);
CREATE INDEX events_by_delivery ON events (deliver_at) WHERE deliver_at IS NOT NULL;
