-- What hosts that work on one fleet share. A ledger stays a SQLite file; here are copies of it, to the byte.

CREATE SCHEMA bulkroute;
COMMENT ON SCHEMA bulkroute IS 'bulkroute 1';

-- What tells this database from any other: it moves with it.
CREATE TABLE bulkroute.identity (
    identity    uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO bulkroute.identity DEFAULT VALUES;

-- A tenant is its service and key. Who works on it holds the advisory lock of its number, and has written the latest epoch.
CREATE TABLE bulkroute.tenant (
    tenant      bigint PRIMARY KEY,     -- of its service and key: the first 64 bits of their SHA-256
    name        text NOT NULL,          -- what the operator calls it
    service     text NOT NULL,          -- base URL
    epoch       bigint NOT NULL,        -- how often a process has taken it over
    host        text NOT NULL,          -- of the process that took it over last
    pid         integer NOT NULL,       -- of that process
    began_at    timestamptz NOT NULL,   -- when it did
    seen_at     timestamptz NOT NULL,   -- when it last said how far it is
    ended_at    timestamptz,            -- NULL: it is at work, or was killed
    exit_code   integer,                -- how that ended
    state       json,                   -- how far it is, or came
    base        bigint,                 -- the copy of its ledger; NULL: there is none
    base_epoch  bigint,                 -- who made that copy
    base_number bigint                  -- commits that are in it
);

-- Ledgers as their last run began or ended, in parts.
CREATE SEQUENCE bulkroute.base_number;
CREATE TABLE bulkroute.base (
    tenant      bigint NOT NULL,
    base        bigint NOT NULL,
    part        integer NOT NULL,       -- from 0
    bytes       bytea NOT NULL,         -- a zlib stream
    PRIMARY KEY (tenant, base, part)
);
ALTER TABLE bulkroute.base ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What was committed to a ledger since.
CREATE TABLE bulkroute.journal_commit (
    tenant      bigint NOT NULL,
    number      bigint NOT NULL,        -- counts the commits of a ledger
    epoch       bigint NOT NULL,        -- who wrote it
    record      bytea NOT NULL,         -- what was noted
    PRIMARY KEY (tenant, number)
);
ALTER TABLE bulkroute.journal_commit ALTER COLUMN record SET STORAGE EXTERNAL;

-- Words to whoever works on a tenant.
CREATE TABLE bulkroute.word (
    word        bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    tenant      bigint NOT NULL,
    verb        text NOT NULL,          -- as `ctl` takes it
    value       text,                   -- likewise; NULL: none
    said_at     timestamptz NOT NULL DEFAULT clock_timestamp(), -- nobody obeys it later than some seconds after that
    is_taken    boolean NOT NULL DEFAULT false,
    answer      json                    -- NULL: not answered yet
);

-- Rates that several processes share. A crash of the server empties it, which costs a moment.
CREATE UNLOGGED TABLE bulkroute.shared_limit (
    name        text PRIMARY KEY,
    free_at     double precision NOT NULL -- when the next slot is, in seconds of the server's clock
);
