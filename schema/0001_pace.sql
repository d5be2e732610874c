-- pace.sqlite: what the door remembers. A file of its own, so that no training ever keeps the door waiting.
-- Keys are keyed hashes of 16 octets; times are seconds since 1970.

CREATE TABLE triplet (
    key       BLOB    NOT NULL PRIMARY KEY,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    passed    INTEGER NOT NULL,
    -- Who waits, in words; empty once the triplet has passed, or where the operator wants no names kept.
    client    TEXT    NOT NULL,
    sender    TEXT    NOT NULL,
    recipient TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting ON triplet (first) WHERE passed = 0;

-- Clients and correspondents that are let in: how often they came back as asked, and when they were seen last.
CREATE TABLE welcome (
    key   BLOB    NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sliding windows: counts by slot, and the millisecond after which the window is empty.
CREATE TABLE rate (
    key    BLOB    NOT NULL PRIMARY KEY,
    until  INTEGER NOT NULL,
    counts BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- What an account sends on a usual day.
CREATE TABLE habit (
    key   BLOB    NOT NULL PRIMARY KEY,
    day   INTEGER NOT NULL,
    today INTEGER NOT NULL,
    mean  REAL    NOT NULL
) STRICT, WITHOUT ROWID;
