-- The whole store of a first version. Ids, salts and units are 64 bits without
-- a sign in the program and are kept as the same bits. Documents are JSON.
-- Moments are RFC 3339 text where they are read one by one and nanoseconds
-- since 1970 where there are many of them; NULL or 0 is "never".

-- +goose Up

CREATE TABLE model (
    name           TEXT PRIMARY KEY,
    revision       INTEGER NOT NULL,
    source         TEXT NOT NULL,
    protocol       TEXT NOT NULL,
    matching       TEXT NOT NULL,
    unit           TEXT NOT NULL,
    serving        TEXT NOT NULL,
    cooldown_until TEXT
) STRICT;

CREATE TABLE policy (
    name     TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    source   TEXT NOT NULL
) STRICT;

-- What moves while a rollout runs. The key grows with every rollout and is
-- short, because every row below carries it.
CREATE TABLE rollout (
    key        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         INTEGER NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    model      TEXT NOT NULL REFERENCES model (name),
    revision   INTEGER NOT NULL,
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    state      TEXT NOT NULL,
    head       TEXT,
    ending     TEXT,
    salt       INTEGER NOT NULL,
    created_at TEXT,
    created_by TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX rollout_active ON rollout (model) WHERE active = 1;
CREATE INDEX rollout_model ON rollout (model, key);

-- What never changes, apart, so that a step of a rollout does not write it again.
CREATE TABLE plan (
    rollout INTEGER PRIMARY KEY REFERENCES rollout (key),
    source  TEXT NOT NULL,
    body    TEXT NOT NULL
) STRICT;

-- Evidence that decisions stood on, once for all records that stand on the same.
CREATE TABLE log_evidence (
    rollout INTEGER NOT NULL REFERENCES rollout (key),
    sum     TEXT NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (rollout, sum)
) STRICT;

-- The decision log; the body is kept exactly as it was hashed.
CREATE TABLE log (
    rollout  INTEGER NOT NULL REFERENCES rollout (key),
    seq      INTEGER NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL,
    evidence TEXT,
    body     TEXT NOT NULL,
    PRIMARY KEY (rollout, seq),
    FOREIGN KEY (rollout, evidence) REFERENCES log_evidence (rollout, sum)
) STRICT;

-- The evidence of each rollout as it was kept last.
CREATE TABLE evidence (
    rollout INTEGER PRIMARY KEY REFERENCES rollout (key),
    body    BLOB NOT NULL
) STRICT;

-- n counts the outcomes of a rollout as they came, to forget the oldest. Ids are
-- hashes, so that new ones fall anywhere: within an era of 65,536 (n >> 16) they
-- touch few pages, where one tree of a million would have every one of them
-- touch a page of its own. No references: the rows are many, and they are
-- written together with their rollout's.
CREATE TABLE outcome (
    rollout INTEGER NOT NULL,
    era     INTEGER NOT NULL,
    id      BLOB NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (rollout, era, id)
) STRICT, WITHOUT ROWID;

-- The last n of each rollout.
CREATE TABLE outcome_count (
    rollout INTEGER PRIMARY KEY REFERENCES rollout (key),
    n       INTEGER NOT NULL
) STRICT;

CREATE TABLE exposure (
    rollout INTEGER NOT NULL,
    unit    INTEGER NOT NULL,
    stratum INTEGER NOT NULL,
    arm     INTEGER NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    PRIMARY KEY (rollout, unit, stratum)
) STRICT, WITHOUT ROWID;

CREATE TABLE intent (
    rollout INTEGER PRIMARY KEY REFERENCES rollout (key),
    body    TEXT NOT NULL
) STRICT;

CREATE TABLE secret (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- until is in milliseconds since 1970.
CREATE TABLE answer (
    key   TEXT PRIMARY KEY,
    body  BLOB NOT NULL,
    until INTEGER NOT NULL
) STRICT;

CREATE INDEX answer_until ON answer (until);

-- One row, written to see whether the store can be written to.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n  INTEGER NOT NULL
) STRICT;
