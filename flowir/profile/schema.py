"""The SQLite schema of a profile store, its version, and opening one to write.

Version 2 (`PRAGMA user_version`):

- `observation`: imported rows; the columns of an observation file, `params` as JSON, NULL where
  nothing was measured. All of version 1.
- `call`: calls the profiler made, one row as each ends, and verdicts of tools, whose purpose is
  `tool` (see :mod:`flowir.profile.calls`).
- `failure`: requests that failed for reasons of the environment. They are tried again.
- `fact`: (name, value); nothing is kept there yet.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from flowir.errors import ProfileError

VERSION = 2
READABLE = (1, 2)
APPLICATION = 0x666C6F77
"""`flow`, in the file's header: other SQLite files are not taken for a profile."""

OBSERVATION = {
    "sub_agent": "TEXT NOT NULL",
    "model": "TEXT NOT NULL",
    "budget": "",
    "params": "TEXT NOT NULL",
    "query_id": "TEXT NOT NULL",
    "sample": "TEXT NOT NULL",
    "correct": "REAL",
    "latency_s": "REAL",
    "input_tokens": "REAL",
    "output_tokens": "REAL",
    "cost_usd": "REAL",
    "input_correct": "INTEGER NOT NULL",
    "answer": "TEXT",
    "error": "INTEGER NOT NULL",
}
CALL = {
    "key": "TEXT NOT NULL PRIMARY KEY",
    "purpose": "TEXT NOT NULL",
    "sub_agent": "TEXT NOT NULL",
    "model": "TEXT NOT NULL",
    "budget": "",
    "params": "TEXT NOT NULL",
    "query_id": "TEXT NOT NULL",
    "variant": "TEXT NOT NULL",
    "repetition": "INTEGER NOT NULL",
    "input_correct": "INTEGER NOT NULL",
    "prompt_hash": "TEXT NOT NULL",
    "prompt": "TEXT",
    "output_hash": "TEXT NOT NULL",
    "output": "TEXT",
    "answered_by": "TEXT NOT NULL",
    "latency_s": "REAL",
    "ttft_s": "REAL",
    "input_tokens": "INTEGER",
    "output_tokens": "INTEGER",
    "cost_usd": "REAL",
    "ended_at": "REAL NOT NULL",
    "judge": "TEXT",
    "proxy": "TEXT NOT NULL DEFAULT ''",
    "correct": "REAL",
    "answer": "TEXT",
}
FAILURE = {
    "key": "TEXT NOT NULL",
    "model": "TEXT NOT NULL",
    "status": "INTEGER",
    "reason": "TEXT NOT NULL",
    "ended_at": "REAL NOT NULL",
}
FACT = {"name": "TEXT NOT NULL PRIMARY KEY", "value": "TEXT NOT NULL"}
TABLES = {"observation": OBSERVATION, "call": CALL, "failure": FAILURE, "fact": FACT}


def insertion(table: str) -> str:
    """The statement that adds a row to a table."""
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(TABLES[table]))})"


def prepare(path: Path, database: sqlite3.Connection) -> None:
    """Give a new file its schema, and an old store the tables it lacks.

    Raises:
        ProfileError: the file is something else, or of a version this flowir does not know.
        sqlite3.Error: it cannot be written.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            database.execute(f"PRAGMA application_id = {APPLICATION}")
        else:
            check_version(path, database)
        for table, columns in TABLES.items():
            inside = ", ".join(f"{name} {kind}".strip() for name, kind in columns.items())
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({inside})")
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def check_version(path: Path, database: sqlite3.Connection) -> int:
    """The version of a store.

    Raises:
        ProfileError: another kind of file, or another version.
    """
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise ProfileError(f"{path}: a SQLite file, but not a profile store")
    if version not in READABLE:
        raise ProfileError(
            f"{path}: a profile store of version {version}, this flowir reads "
            f"{' and '.join(map(str, READABLE))}; export it to CSV with the flowir that wrote it"
        )
    return version
