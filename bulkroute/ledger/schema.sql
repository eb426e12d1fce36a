-- The ledger, format 3. Times are seconds since the epoch (UTC), latencies milliseconds.
-- Live phone routes depend on it: WAL with synchronous=FULL, set by whoever opens it.

CREATE TABLE batch (
    batch       INTEGER PRIMARY KEY,        -- its number, from 1
    created_at  REAL NOT NULL,              -- when it was begun
    manifest    TEXT NOT NULL,              -- its name, for messages
    digest      TEXT NOT NULL,              -- of the manifest merged last ('plan:' and its fingerprint for a saved plan), of a rollback: of the ids it was limited to, and the wave; '' for none
    parent      INTEGER REFERENCES batch,   -- of a rollback: the batch whose rows it puts back, or the oldest of them
    closed      INTEGER NOT NULL DEFAULT 0, -- of a rollback: another batch or rollback came since, so it is not gone on with
    service     TEXT,                       -- base URL of the service whose routes it changes; NULL: not known yet
    app_key     TEXT,                       -- fingerprint of the app key; '': a ready token was used; NULL: not known
    since       INTEGER NOT NULL DEFAULT 0, -- of a rollback: 1 where it undoes all batches after its parent too
    by_number   INTEGER NOT NULL DEFAULT 0  -- 1: the manifest names numbers, and the ids of its rows were found by them
) STRICT;

-- What skill queues and IVR flows were called when the batch was last made ready, as far as its rows lead there or led there.
CREATE TABLE target (
    batch       INTEGER NOT NULL REFERENCES batch,
    devicetype  INTEGER NOT NULL,           -- 1 skill queue, 3 IVR flow
    device_id   INTEGER NOT NULL,           -- its number
    name        TEXT NOT NULL,              -- what it is called
    PRIMARY KEY (batch, devicetype, device_id)
) STRICT, WITHOUT ROWID;

-- The targets that the manifest names, as it writes them, and what they were when the batch was begun.
CREATE TABLE wanted_name (
    batch       INTEGER NOT NULL REFERENCES batch,
    name        TEXT NOT NULL,              -- as the manifest may write it: ivr:Night, Night#3015
    devicetype  INTEGER NOT NULL,           -- 1 skill queue, 3 IVR flow
    device_id   INTEGER NOT NULL,           -- its number
    PRIMARY KEY (batch, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    run         INTEGER PRIMARY KEY,        -- its number, from 1
    batch       INTEGER NOT NULL REFERENCES batch,
    command     TEXT NOT NULL,              -- run or rollback
    started_at  REAL NOT NULL,              -- when
    pid         INTEGER NOT NULL,           -- of the process, on that host
    host        TEXT NOT NULL,              -- of the process
    version     TEXT NOT NULL,              -- of bulkroute
    service     TEXT NOT NULL,              -- base URL
    rate        REAL,                       -- calls per second asked for; NULL: unlimited
    ended_at    REAL,                       -- NULL: still running, or killed
    seconds     REAL,                       -- how long it took
    attempts    INTEGER,                    -- calls answered or given up, those refused by throttling too
    retries     INTEGER,                    -- of these, not the first try of their row
    throttled   INTEGER,                    -- of these, refused by throttling
    stopped     TEXT,                       -- why it stopped early, in words
    exit_code   INTEGER,                    -- of the command
    stop        TEXT,                       -- why it stopped early, in one word; NULL too: of a run before format 3
    pid_started INTEGER,                    -- when the process started, in the kernel's ticks; NULL: not known
    digest      TEXT,                       -- of the manifest when it began; NULL: not known
    tenant      TEXT NOT NULL DEFAULT '',   -- whose routes, as --tenant named it
    note        TEXT NOT NULL DEFAULT '',   -- what for, as --note said
    who         TEXT NOT NULL DEFAULT '',   -- user@host; '': not known
    command_line TEXT NOT NULL DEFAULT '',  -- as it was given, without secrets; '': not known
    ends_at     REAL,                       -- when its window closes; NULL: it has none, or that is not known
    routes      INTEGER NOT NULL DEFAULT 0  -- called routes that the service listed before it; 0: not read
) STRICT;

-- Runs that stopped and take back what their batch changed, or have; written with the end of the run.
CREATE TABLE back_out (
    batch       INTEGER PRIMARY KEY REFERENCES batch, -- whose changes are taken back
    run         INTEGER NOT NULL REFERENCES run, -- that stopped
    decided_at  REAL NOT NULL,              -- when
    exit_code   INTEGER,                    -- of the last command that worked on it; NULL: none has ended, or a person took it over
    ended_at    REAL,                       -- NULL: the next run goes on with it
    rows        INTEGER,                    -- to put back; NULL: not known yet
    back        INTEGER                     -- of these, proven to be as before; NULL: not known yet
) STRICT;

CREATE TABLE row (
    row         INTEGER PRIMARY KEY,        -- rows are sent in the order of this key
    batch       INTEGER NOT NULL REFERENCES batch,
    id          TEXT NOT NULL,              -- the called route's id
    line        INTEGER NOT NULL,           -- in the manifest
    devicetype  INTEGER NOT NULL,           -- wanted
    device_id   INTEGER NOT NULL,           -- wanted
    listed      INTEGER NOT NULL DEFAULT 1, -- 0: no longer in the manifest
    status      TEXT NOT NULL DEFAULT 'pending', -- where it stands
    error       TEXT,                       -- of a failed or skipped row: why, as a failure kind
    tried       INTEGER NOT NULL DEFAULT 0, -- 1: by an earlier run; its turn comes after those that were not
    attempts    INTEGER NOT NULL DEFAULT 0, -- calls that may have changed it, over all runs since it was last retargeted
    http_status INTEGER,                    -- of the last answer
    return_code TEXT,                       -- the service's code in it
    description TEXT,                       -- the service's words in it, or what went wrong
    before_devicetype INTEGER,              -- the binding that this batch overwrote; written once, but where another hand came in before it was first called, or since it was done
    before_device_id  INTEGER,              -- likewise
    written_devicetype INTEGER,             -- of a retargeted row: the target this batch sent it to last before that
    written_device_id  INTEGER,             -- likewise
    latency_ms  REAL,                       -- of the last call
    finished_at REAL,                       -- when the row got its outcome
    drifted     INTEGER NOT NULL DEFAULT 0, -- 1: it was done, and found changed by another hand
    given_back  INTEGER NOT NULL DEFAULT 0, -- of its attempts, those that used up no try: made while the service was down
    access_code TEXT NOT NULL DEFAULT '',   -- what callers dial, as the service lists it; '': not known
    ext_code    TEXT NOT NULL DEFAULT '',   -- what they dial after it; may be empty
    media_type  INTEGER,                    -- what the route carries; NULL: not known
    wave        INTEGER                     -- which wave it goes with; before its batch has waves: as the manifest says; NULL: none
) STRICT;

-- Not (batch, id): walking a batch along it would visit the rows in the order of their ids, which is no order at all.
CREATE UNIQUE INDEX row_id ON row (id, batch);

-- For the rows of one wave; of batches without waves it holds nothing.
CREATE INDEX row_wave ON row (wave, batch) WHERE wave IS NOT NULL;

-- The waves in which the rows of a batch go, in the order of their numbers; none of a batch that goes in one.
CREATE TABLE wave (
    batch       INTEGER NOT NULL REFERENCES batch,
    wave        INTEGER NOT NULL,           -- its number: from 1, or as the manifest says
    asked       TEXT NOT NULL,              -- the sizes that were asked for when the batch was cut; '': as the manifest says
    state       TEXT NOT NULL DEFAULT 'waiting', -- how far it is
    since       REAL NOT NULL,              -- since when
    may_follow  INTEGER NOT NULL DEFAULT 0, -- 1: every gate after it said go
    words       TEXT NOT NULL DEFAULT '',   -- what its reading back or its gates came to
    PRIMARY KEY (batch, wave)
) STRICT, WITHOUT ROWID;

-- What the gates after a wave, which say whether the next may begin, have answered last.
CREATE TABLE gate (
    batch       INTEGER NOT NULL REFERENCES batch,
    wave        INTEGER NOT NULL,           -- the wave that they follow
    gate        TEXT NOT NULL,              -- command, wait, hold
    answer      TEXT NOT NULL,              -- waiting, not_yet, go, no_go
    at          REAL NOT NULL,              -- when
    words       TEXT NOT NULL,              -- what was said with it: the last lines of a command, a person's reason
    PRIMARY KEY (batch, wave, gate)
) STRICT, WITHOUT ROWID;

-- One line for each call that was answered or given up; a call cut off by a crash shows as its row's status 'sent'.
CREATE TABLE attempt (
    attempt     INTEGER PRIMARY KEY,        -- in the order in which they were recorded
    row         INTEGER NOT NULL REFERENCES row,
    run         INTEGER NOT NULL REFERENCES run,
    number      INTEGER NOT NULL,           -- the row's try in that run, from 1
    started_at  REAL NOT NULL,              -- when
    latency_ms  REAL NOT NULL,              -- how long it took
    verdict     TEXT NOT NULL,              -- done, a failure kind, throttled, refused, barred
    http_status INTEGER,                    -- of the answer; NULL: none came
    return_code TEXT,                       -- the service's code
    description TEXT                        -- the service's words, or what went wrong
) STRICT;

-- When no call could start, and why.
CREATE TABLE wait (
    wait        INTEGER PRIMARY KEY,        -- in the order in which they began
    run         INTEGER NOT NULL REFERENCES run,
    started_at  REAL NOT NULL,              -- when
    ended_at    REAL,                       -- NULL: it lasts, or the run was killed in it
    reason      TEXT NOT NULL               -- why, in words
) STRICT;

-- At which pace a run went: a line for its start and one for each change, at most one a second.
CREATE TABLE pace (
    pace        INTEGER PRIMARY KEY,        -- in the order in which they were noted
    run         INTEGER NOT NULL REFERENCES run,
    at          REAL NOT NULL,              -- when
    asked       REAL,                       -- calls per second asked for; NULL: unlimited
    rate        REAL,                       -- in force: less than asked for while the service allows no more
    concurrency INTEGER NOT NULL,           -- calls that may be in flight at once
    reason      TEXT NOT NULL,              -- why it changed, in words
    cause       TEXT NOT NULL DEFAULT 'service' -- why it changed, in one word
) STRICT;

-- What was said beside the rows: notices and warnings of a run, what came of its waves, and of `bulkroute verify`.
CREATE TABLE remark (
    remark      INTEGER PRIMARY KEY,        -- in the order in which they were kept
    batch       INTEGER NOT NULL REFERENCES batch,
    run         INTEGER REFERENCES run,     -- NULL: of a check, which is of no run
    at          REAL NOT NULL,              -- when
    kind        TEXT NOT NULL,              -- notice, warning, wave, check, hook
    is_good     INTEGER NOT NULL,           -- 0: somebody has to do something
    text        TEXT NOT NULL               -- in words
) STRICT;
