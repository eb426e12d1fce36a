-- A ledger as format 2 wrote it: its schema word for word, and a batch whose second run was killed. A row of
-- every status, calls of every verdict, a wait that ended and one that did not, changes of pace of every kind, and an
-- earlier batch with its rollback.
PRAGMA application_id = 1651666805;
PRAGMA user_version = 2;

-- The ledger, format 2. Times are seconds since the epoch (UTC), latencies milliseconds.
-- Live phone routes depend on it: WAL with synchronous=FULL, set by whoever opens it.

CREATE TABLE batch (
    batch       INTEGER PRIMARY KEY,
    created_at  REAL NOT NULL,
    manifest    TEXT NOT NULL,              -- its name, for messages
    digest      TEXT NOT NULL,              -- of the manifest merged last; '' while a merge never finished
    parent      INTEGER REFERENCES batch,   -- of a rollback: the batch whose rows it puts back
    closed      INTEGER NOT NULL DEFAULT 0  -- of a rollback: its batch was run again since, so it is not gone on with
) STRICT;

CREATE TABLE run (
    run         INTEGER PRIMARY KEY,
    batch       INTEGER NOT NULL REFERENCES batch,
    command     TEXT NOT NULL,
    started_at  REAL NOT NULL,
    pid         INTEGER NOT NULL,
    host        TEXT NOT NULL,
    version     TEXT NOT NULL,
    service     TEXT NOT NULL,              -- base URL
    rate        REAL,                       -- calls per second asked for; NULL: unlimited
    ended_at    REAL,                       -- NULL: still running, or killed
    seconds     REAL,
    attempts    INTEGER,
    retries     INTEGER,
    throttled   INTEGER,
    stopped     TEXT,                       -- why it stopped early
    exit_code   INTEGER
) STRICT;

CREATE TABLE row (
    row         INTEGER PRIMARY KEY,
    batch       INTEGER NOT NULL REFERENCES batch,
    id          TEXT NOT NULL,
    line        INTEGER NOT NULL,
    devicetype  INTEGER NOT NULL,           -- wanted
    device_id   INTEGER NOT NULL,
    listed      INTEGER NOT NULL DEFAULT 1, -- 0: no longer in the manifest
    status      TEXT NOT NULL DEFAULT 'pending',
    error       TEXT,
    tried       INTEGER NOT NULL DEFAULT 0, -- 1: by an earlier run; its turn comes after those that were not
    attempts    INTEGER NOT NULL DEFAULT 0, -- over all runs since the row was last retargeted
    http_status INTEGER,
    return_code TEXT,
    description TEXT,
    before_devicetype INTEGER,              -- the binding found before this batch first changed it; written once
    before_device_id  INTEGER,
    written_devicetype INTEGER,             -- of a retargeted row: the target this batch sent it to last before that
    written_device_id  INTEGER,
    latency_ms  REAL,
    finished_at REAL
) STRICT;

-- Not (batch, id): walking a batch along it would visit the rows in the order of their ids, which is no order at all.
CREATE UNIQUE INDEX row_id ON row (id, batch);

-- One line for each call that was answered or given up; a call cut off by a crash shows as its row's status 'sent'.
CREATE TABLE attempt (
    attempt     INTEGER PRIMARY KEY,
    row         INTEGER NOT NULL REFERENCES row,
    run         INTEGER NOT NULL REFERENCES run,
    number      INTEGER NOT NULL,           -- the row's try in that run, from 1
    started_at  REAL NOT NULL,
    latency_ms  REAL NOT NULL,
    verdict     TEXT NOT NULL,              -- done, a failure kind, throttled, refused
    http_status INTEGER,
    return_code TEXT,
    description TEXT
) STRICT;

-- When no call could start, and why.
CREATE TABLE wait (
    wait        INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES run,
    started_at  REAL NOT NULL,
    ended_at    REAL,                       -- NULL: it lasts, or the run was killed in it
    reason      TEXT NOT NULL
) STRICT;

-- At which pace a run went: a line for its start and one for each change, at most one a second.
CREATE TABLE pace (
    pace        INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES run,
    at          REAL NOT NULL,
    asked       REAL,                       -- calls per second asked for; NULL: unlimited
    rate        REAL,                       -- in force: less than asked for while the service allows no more
    concurrency INTEGER NOT NULL,
    reason      TEXT NOT NULL
) STRICT;

INSERT INTO batch VALUES
 (1, 1790000000.5, 'evening.csv', 'an earlier manifest', NULL, 0),
 (2, 1790000100.5, 'evening.csv', '', 1, 1),
 (3, 1790003600.5, 'night.csv', '', NULL, 0);

INSERT INTO run VALUES
 (1, 1, 'run', 1790000001.0, 4242, 'elsewhere', '0.1.0', 'https://cc.example.com', 10.0, 1790000011.0, 10.0, 1, 0, 0, NULL, 0),
 (2, 2, 'rollback', 1790000101.0, 4243, 'elsewhere', '0.1.0', 'https://moved.example.com', NULL, 1790000111.0, 10.0, 1, 0, 0, NULL, 0),
 (3, 3, 'run', 1790003601.0, 4244, 'elsewhere', '0.1.0', 'https://cc.example.com', 10.0, 1790003631.0, 30.0, 6, 1, 1, '--max-duration is over', 4),
 (4, 3, 'run', 1790007201.0, 4245, 'elsewhere', '0.1.0', 'https://cc.example.com', 20.0, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO row VALUES
 (1, 1, '1125397061153369092', 2, 1, 199, 1, 'pending', NULL, 0, 0, NULL, NULL, NULL, 1, 900, NULL, NULL, NULL, NULL),
 (2, 2, '1125397061153369092', 2, 1, 900, 1, 'succeeded', NULL, 0, 1, 200, '0', 'data update success', 1, 199, NULL, NULL, 41.5, 1790000102.25),
 (3, 3, '1125397061153369092', 2, 3, 201, 1, 'succeeded', NULL, 0, 1, 200, '0', 'data update success', 1, 900, NULL, NULL, 52.25, 1790003602.5),
 (4, 3, '1125397061153377011', 3, 1, 102, 1, 'succeeded', NULL, 0, 2, 200, '0', 'data update success', 1, 901, NULL, NULL, 52.25, 1790003603.5),
 (5, 3, '1125397061153384930', 4, 3, 203, 1, 'unchanged', NULL, 0, 0, NULL, NULL, NULL, 3, 203, NULL, NULL, NULL, 1790003601.5),
 (6, 3, '1125397061153392849', 5, 1, 104, 1, 'failed', 'business', 0, 1, 200, '20002', 'the called route is in use', 1, 903, NULL, NULL, 48.0, 1790003605.5),
 (7, 3, '1125397061153400768', 6, 3, 202, 1, 'failed', 'server', 1, 2, 500, '1', 'internal error', 1, 904, NULL, NULL, 70.5, 1790003606.5),
 (8, 3, '1125397061153408687', 7, 1, 101, 1, 'failed', 'timeout', 1, 1, NULL, NULL, NULL, 1, 905, 1, 907, 15000.0, 1790003621.5),
 (9, 3, '1125397061153416606', 8, 3, 201, 1, 'sent', NULL, 1, 1, NULL, NULL, NULL, 1, 906, NULL, NULL, NULL, NULL),
 (10, 3, '1125397061153424525', 9, 1, 103, 1, 'pending', NULL, 0, 0, NULL, NULL, NULL, 1, 907, NULL, NULL, NULL, NULL),
 (11, 3, '1125397061153432444', 10, 3, 203, 1, 'pending', NULL, 0, 0, NULL, NULL, NULL, 1, 908, NULL, NULL, NULL, NULL);

INSERT INTO attempt VALUES
 (1, 1, 1, 1, 1790000001.5, 41.0, 'done', 200, '0', 'data update success'),
 (2, 2, 2, 1, 1790000102.25, 41.5, 'done', 200, '0', 'data update success'),
 (3, 3, 3, 1, 1790003602.5, 52.25, 'done', 200, '0', 'data update success'),
 (4, 4, 3, 1, 1790003603.0, 9.0, 'throttled', 429, 'APIG.0308', 'too many requests'),
 (5, 4, 3, 2, 1790003603.5, 52.25, 'done', 200, '0', 'data update success'),
 (6, 6, 3, 1, 1790003605.5, 48.0, 'business', 200, '20002', 'the called route is in use'),
 (7, 7, 3, 1, 1790003606.0, 70.5, 'server', 500, '1', 'internal error'),
 (8, 8, 3, 1, 1790003606.5, 15000.0, 'timeout', NULL, NULL, NULL),
 (9, 7, 4, 1, 1790007202.5, 70.5, 'server', 500, '1', 'internal error');

INSERT INTO wait VALUES
 (1, 3, 1790003603.0, 1790003603.5, 'the service throttles (HTTP 429, APIG.0308, too many requests)'),
 (2, 4, 1790007203.0, NULL, 'paused: calls are dropped');

INSERT INTO pace VALUES
 (1, 1, 1790000001.0, 10.0, 10.0, 16, 'start of the run'),
 (2, 2, 1790000101.0, NULL, NULL, 16, 'start of the run'),
 (3, 3, 1790003601.0, 10.0, 10.0, 16, 'start of the run'),
 (4, 3, 1790003603.0, 10.0, 5.0, 16, 'throttled'),
 (5, 3, 1790003604.5, 10.0, 6.5, 16, 'what the service allows'),
 (6, 3, 1790003606.0, 10.0, 10.0, 16, 'what the service allows'),
 (7, 4, 1790007201.0, 20.0, 20.0, 16, 'start of the run'),
 (8, 4, 1790007203.5, 20.0, 20.0, 8, 'asked for by the operator'),
 (9, 4, 1790007205.0, 30.0, 12.0, 8, 'throttled; asked for by the operator');
