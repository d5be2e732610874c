-- What the classifiers learned. A classifier is the site's ('') or one recipient's.
CREATE TABLE classifier (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE,
    spam INTEGER NOT NULL DEFAULT 0 CHECK (spam >= 0),   -- messages learned as spam
    ham  INTEGER NOT NULL DEFAULT 0 CHECK (ham >= 0)
);

-- A token is a keyed 40-bit hash: the word cannot be read back.
CREATE TABLE token (
    classifier INTEGER NOT NULL,
    token      INTEGER NOT NULL,
    spam       INTEGER NOT NULL CHECK (spam >= 0),
    ham        INTEGER NOT NULL CHECK (ham >= 0),
    seen       INTEGER NOT NULL,                         -- day of the last message that held it, days since 1970
    PRIMARY KEY (classifier, token)
) WITHOUT ROWID;

-- The journal of lessons: each message that is learned now, with what it added, so that it can be taken back exactly.
CREATE TABLE lesson (
    id         INTEGER PRIMARY KEY,
    classifier INTEGER NOT NULL,
    digest     BLOB    NOT NULL,
    spam       INTEGER NOT NULL CHECK (spam IN (0, 1)),
    at         INTEGER NOT NULL,                         -- seconds since 1970
    source     TEXT    NOT NULL,
    tokens     BLOB    NOT NULL,
    UNIQUE (classifier, digest)
);
CREATE INDEX lesson_at ON lesson (at);

CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
