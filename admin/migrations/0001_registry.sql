-- One feed, with the revision that grows with every change of the policy, and the policy's digest there. `floor`: deletions before it are forgotten, so
-- whoever asks for changes after an older revision gets the whole policy.
CREATE TABLE feed (
    name     TEXT   NOT NULL PRIMARY KEY,
    epoch    BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    digest   TEXT   NOT NULL,
    floor    BIGINT NOT NULL
);

-- The policy as a compacted log: the last state of each record, with the revision that brought it. No body: the record was
-- deleted then, and its id is never used again.
CREATE TABLE record (
    kind     TEXT   NOT NULL,
    id       TEXT   NOT NULL,
    revision BIGINT NOT NULL UNIQUE,
    body     TEXT,
    PRIMARY KEY (kind, id)
);

-- What the registry knows of a person beyond the policy. `name_key`: the name as it is compared; none once deleted.
CREATE TABLE person (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    name_key   TEXT   UNIQUE,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);

-- What the registry knows of an API token beyond the policy. The secret is nowhere. `name_key`: none once the name was
-- given up, by deletion or to the token in its place.
CREATE TABLE token (
    id           TEXT   NOT NULL PRIMARY KEY,
    person       TEXT   NOT NULL REFERENCES person (id),
    name         TEXT   NOT NULL,
    name_key     TEXT   UNIQUE,
    hash         BLOB   NOT NULL UNIQUE,
    origin       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    deleted_at   BIGINT,
    replaced_by  TEXT,
    last_used_at BIGINT,
    last_used_on TEXT
);
CREATE INDEX token_person ON token (person);

CREATE TABLE gateway (
    id         TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    removed_at BIGINT
);

-- A gateway has two credentials at most, so that one can be changed while the other works.
CREATE TABLE gateway_credential (
    id         TEXT   NOT NULL PRIMARY KEY,
    gateway    TEXT   NOT NULL REFERENCES gateway (id),
    hash       BLOB   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

-- The last report of each VM of a gateway.
CREATE TABLE gateway_status (
    gateway     TEXT   NOT NULL REFERENCES gateway (id),
    vm          TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    body        TEXT   NOT NULL,
    PRIMARY KEY (gateway, vm)
);

CREATE TABLE operator (
    id         TEXT   NOT NULL PRIMARY KEY,
    role       TEXT   NOT NULL,
    hash       BLOB   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

-- Who changed what, when, from where. Rows are added, never changed.
CREATE TABLE audit (
    id       BIGINT NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL,
    operator TEXT   NOT NULL,
    address  TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    detail   TEXT   NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX audit_subject ON audit (subject);
