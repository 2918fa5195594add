-- One value sealed with the keys of this database, by which a start with other keys is recognised.
CREATE TABLE key_proofs (
    name TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);
