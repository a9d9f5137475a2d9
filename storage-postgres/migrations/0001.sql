-- Numbers that are told exactly up to 2^64 - 1: times in milliseconds since the Unix epoch, and sizes in bytes.
CREATE DOMAIN u64 AS numeric(20) CHECK (VALUE BETWEEN 0 AND 18446744073709551615);
CREATE DOMAIN u32 AS bigint CHECK (VALUE BETWEEN 0 AND 4294967295);
CREATE DOMAIN digest AS bytea CHECK (octet_length(VALUE) = 32);
-- Compared and ordered by its bytes.
CREATE DOMAIN bytewise AS text COLLATE "C";

-- The end of the trail and the last position of a file: one row, which every transaction that writes locks first.
CREATE TABLE head (
    the_only boolean PRIMARY KEY DEFAULT true CHECK (the_only),
    number bigint NOT NULL CHECK (number >= 0),
    hash digest NOT NULL,
    last_file bigint NOT NULL CHECK (last_file >= 0),
    -- Of which installation a copy is being made here.
    copying digest
);
INSERT INTO head (number, hash, last_file) VALUES (0, decode(repeat('00', 32), 'hex'), 0);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    username bytewise NOT NULL CONSTRAINT users_username UNIQUE,
    email text NOT NULL,
    email_key bytewise NOT NULL CONSTRAINT users_email UNIQUE,
    role text NOT NULL CHECK (role IN ('operations', 'client')),
    status text NOT NULL CHECK (status IN ('active', 'disabled')),
    password text NOT NULL,
    session_epoch u32 NOT NULL,
    created_at u64 NOT NULL,
    confined boolean NOT NULL,
    address_proved boolean NOT NULL,
    owner uuid
);
CREATE INDEX users_operations ON users (id) WHERE role = 'operations';

-- Files, and removed ones that are kept: those have a time at which they were removed.
CREATE TABLE files (
    position bigint PRIMARY KEY CHECK (position > 0),
    id uuid NOT NULL CONSTRAINT files_id UNIQUE,
    blob uuid NOT NULL CONSTRAINT files_blob UNIQUE,
    name bytewise NOT NULL,
    size u64 NOT NULL,
    media_type text NOT NULL,
    sha256 digest NOT NULL,
    crc32 u32,
    uploaded_at u64 NOT NULL,
    uploaded_by uuid NOT NULL,
    uploader text NOT NULL,
    everybody boolean NOT NULL,
    clients uuid[] NOT NULL,
    groups uuid[] NOT NULL,
    expires_at u64,
    restored_at u64,
    why text CHECK (why IN ('removed', 'expired', 'retention')),
    removed_by text,
    removed_at u64,
    kept_until u64,
    CHECK (num_nulls(why, removed_by, removed_at, kept_until) IN (0, 4))
);
CREATE INDEX files_list ON files (position) WHERE removed_at IS NULL;
CREATE INDEX files_name ON files (name, position) WHERE removed_at IS NULL;
CREATE INDEX files_uploader ON files (uploaded_by, position) WHERE removed_at IS NULL;
CREATE INDEX files_end ON files (expires_at, position) WHERE removed_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX files_removed ON files (position) WHERE removed_at IS NOT NULL;
CREATE INDEX files_due ON files (kept_until, position) WHERE removed_at IS NOT NULL;

-- Whom each file is for that is not removed: a row for everybody, for each client and for each group. It is made of
-- `files`, so that a page of what someone sees is a few stretches of one index.
CREATE TABLE audiences (
    kind smallint NOT NULL CHECK (kind BETWEEN 0 AND 2),
    id uuid NOT NULL,
    position bigint NOT NULL,
    expires_at u64,
    retained_from u64 NOT NULL,
    PRIMARY KEY (kind, id, position) INCLUDE (expires_at)
);
CREATE INDEX audiences_position ON audiences (position);
CREATE INDEX audiences_retained ON audiences (id, retained_from, position) WHERE kind = 2;

-- What the files of each user take, with those that are kept: made of `files`.
CREATE TABLE usage (
    uploaded_by uuid PRIMARY KEY,
    files bigint NOT NULL CHECK (files >= 0),
    bytes numeric NOT NULL CHECK (bytes >= 0)
);

CREATE TABLE groups (
    id uuid PRIMARY KEY,
    name bytewise NOT NULL CONSTRAINT groups_name UNIQUE,
    created_by uuid NOT NULL,
    created_at u64 NOT NULL,
    retention_days integer CHECK (retention_days > 0)
);
CREATE INDEX groups_retaining ON groups (id) WHERE retention_days IS NOT NULL;

CREATE TABLE members (
    group_id uuid NOT NULL,
    user_id uuid NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX members_user ON members (user_id, group_id);

CREATE TABLE links (
    id uuid PRIMARY KEY,
    secret digest NOT NULL CONSTRAINT links_secret UNIQUE,
    files uuid[] NOT NULL,
    made_by uuid NOT NULL,
    made_at u64 NOT NULL,
    expires_at u64 NOT NULL,
    max_downloads u32 CHECK (max_downloads > 0),
    downloads u32 NOT NULL,
    password text,
    recipient text,
    note text,
    revoked_at u64,
    revision u32 NOT NULL
);
CREATE INDEX links_maker ON links (made_by, id);
-- An edit may set a budget that is spent already, so it is no check of the table: no lease goes beyond one.
CREATE FUNCTION refuse_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING MESSAGE = 'the budget of the link is spent', CONSTRAINT = 'links_budget';
END
$$;
CREATE TRIGGER links_budget BEFORE UPDATE ON links FOR EACH ROW
    WHEN (NEW.downloads > OLD.downloads AND NEW.downloads > NEW.max_downloads)
    EXECUTE FUNCTION refuse_lease();

CREATE TABLE leases (
    id uuid PRIMARY KEY,
    link uuid NOT NULL,
    opened_at u64 NOT NULL,
    expires_at u64 NOT NULL,
    recipient text
);
CREATE INDEX leases_end ON leases (expires_at);

-- The codes of links: the digest of the one that is good, and when the latest were sent.
CREATE TABLE codes (
    link uuid PRIMARY KEY,
    good digest,
    good_until u64,
    wrong smallint,
    sent numeric[] NOT NULL,
    CHECK (num_nulls(good, good_until, wrong) IN (0, 3))
);

CREATE TABLE mails (
    id uuid PRIMARY KEY,
    recipient text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    due u64 NOT NULL,
    attempts u32 NOT NULL,
    until u64 NOT NULL
);
CREATE INDEX mails_due ON mails (due, id);

-- What was done by an idempotency key.
CREATE TABLE done (
    key digest PRIMARY KEY,
    request digest NOT NULL,
    kind text NOT NULL CHECK (kind IN ('file', 'group', 'link', 'lease')),
    made uuid NOT NULL,
    until u64 NOT NULL
);
CREATE INDEX done_until ON done (until);

-- One chain; an entry's number is its position.
CREATE TABLE trail (
    number bigint PRIMARY KEY CHECK (number > 0),
    hash digest NOT NULL,
    event jsonb NOT NULL
);

CREATE TABLE checkpoints (
    number bigint PRIMARY KEY,
    at u64 NOT NULL,
    hash digest NOT NULL,
    key bytea NOT NULL CHECK (octet_length(key) = 8),
    signature bytea NOT NULL CHECK (octet_length(signature) = 64)
);

-- The trail's downloads by file, link and user, and what they come to: made of `trail`. `kind` says what `of` names:
-- 0 a file, 1 a link, 2 a file by download links of `by_user` (zeros elsewhere).
CREATE TABLE downloads (
    kind smallint NOT NULL CHECK (kind BETWEEN 0 AND 2),
    of uuid NOT NULL,
    by_user uuid NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (kind, of, by_user, number)
);
CREATE TABLE downloaded (
    kind smallint NOT NULL,
    of uuid NOT NULL,
    by_user uuid NOT NULL,
    started numeric NOT NULL,
    completed numeric NOT NULL,
    bytes numeric NOT NULL,
    PRIMARY KEY (kind, of, by_user)
);

-- What nodes share and no dump gives away: each is sealed by a key that is not here.
CREATE TABLE sealed (
    name bytewise PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    bytes bytea NOT NULL
);

-- What may not be asked for too often. It need not survive a crash, and does not. `refused` is how long whoever asked
-- last has to wait, if they do.
CREATE UNLOGGED TABLE rates (
    key uuid PRIMARY KEY,
    full_at u64 NOT NULL,
    refused u64
) WITH (fillfactor = 50);
CREATE INDEX rates_quiet ON rates (full_at);
CREATE UNLOGGED TABLE failures (
    key uuid PRIMARY KEY,
    count u32 NOT NULL,
    at u64 NOT NULL,
    count_before u32,
    at_before u64,
    refused u64
) WITH (fillfactor = 50);
CREATE INDEX failures_quiet ON failures (at);
CREATE INDEX failures_none ON failures (key) WHERE count = 0;
