"""The journal's schema, as numbered migrations: each is what its number means for ever, and is never edited.

A change of what is stored is a new migration at the end, with the version of syft-flwr that first reads it.
"""

from typing import Final

from syft_flwr_cli.storage.sqlite import Migration

__all__ = ["EGRESS_SINCE", "MIGRATIONS"]

_FIRST = """
CREATE TABLE about (id TEXT NOT NULL) STRICT;
INSERT INTO about VALUES (lower(hex(randomblob(8))));
CREATE TABLE runs (
  run TEXT PRIMARY KEY, role TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
  ended REAL, reason TEXT, facts TEXT NOT NULL DEFAULT '{}', result TEXT, told INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE past_runs (n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE sent (
  id TEXT PRIMARY KEY, run TEXT NOT NULL, recipient TEXT NOT NULL, ordinal INTEGER NOT NULL,
  state TEXT NOT NULL, digest BLOB NOT NULL, outline TEXT NOT NULL, meta TEXT NOT NULL,
  created REAL NOT NULL, expires REAL NOT NULL, body BLOB, envelope BLOB,
  digests TEXT NOT NULL DEFAULT '[]', refs TEXT NOT NULL DEFAULT '[]', reply BLOB, replied REAL,
  turn INTEGER NOT NULL DEFAULT 0, UNIQUE (run, recipient, ordinal)
) STRICT;
CREATE INDEX sent_open ON sent (run, state);
CREATE INDEX sent_turn ON sent (run, turn);
CREATE TABLE payloads (
  run TEXT NOT NULL, digest BLOB NOT NULL, recipient TEXT NOT NULL, id TEXT NOT NULL, key BLOB NOT NULL,
  size INTEGER NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, digest, recipient)
) STRICT;
CREATE TABLE requests (
  id TEXT PRIMARY KEY, run TEXT NOT NULL, sender TEXT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL,
  created REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, response BLOB, payloads TEXT NOT NULL DEFAULT '[]',
  done REAL, type TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX requests_of_run ON requests (run, state);
CREATE TABLE states (run TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT;
CREATE TABLE acks (
  run TEXT NOT NULL, recipient TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (run, recipient, id)
) STRICT;
CREATE TABLE quarantine (
  digest TEXT NOT NULL, owner TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL, sentence TEXT NOT NULL,
  seen REAL NOT NULL, times INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (owner, path, digest)
) STRICT;
CREATE TABLE audit_pending (n INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL) STRICT;
"""

_SECOND = """
CREATE INDEX requests_done ON requests (run, done);
CREATE INDEX requests_type ON requests (run, type);
UPDATE sent SET body=NULL, envelope=NULL, reply=NULL, outline='{}'
  WHERE ordinal>=0 AND run IN (SELECT run FROM runs WHERE ended IS NOT NULL);
UPDATE requests SET response=NULL WHERE run IN (SELECT run FROM runs WHERE ended IS NOT NULL);
"""
# Quick in long runs; and runs that were over before lose what those that end now lose.

_THIRD = """
CREATE TABLE egress (
  message TEXT PRIMARY KEY, run TEXT NOT NULL, time REAL NOT NULL, bytes INTEGER NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE INDEX egress_of_run ON egress (run, time);
"""
# What left with each reply; kept when the run is over, for the owner.

EGRESS_SINCE: Final = 3
"""The migration that brought the table ``egress``: whoever only reads an older journal finds none."""

MIGRATIONS: Final = (
    Migration(_FIRST, needs="0.1.0"),
    Migration(_SECOND, needs="0.2.0"),
    Migration(_THIRD, needs="0.2.0"),
)
