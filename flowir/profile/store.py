"""Observations in a SQLite file: several imports, one profile.

Schema, version 1 (`PRAGMA user_version`): one table `observation` whose columns are those of an
observation file, `params` as JSON, NULL where nothing was measured.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from flowir.errors import ProfileError
from flowir.profile.observations import Observations

VERSION = 1
APPLICATION = 0x666C6F77
"""`flow`, in the file's header: other SQLite files are not taken for a profile."""

_TYPES = {
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
_CREATE = (
    "CREATE TABLE observation ("
    + ", ".join(f"{name} {kind}".strip() for name, kind in _TYPES.items())
    + ")"
)
_INSERT = f"INSERT INTO observation VALUES ({', '.join('?' * len(_TYPES))})"


def store_observations(path: str | Path, observations: Observations) -> None:
    """Append observations to a store, making it where there is none; all of them or none.

    Raises:
        ProfileError: the file is something else, of another version, or cannot be written.
    """
    path = Path(path)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            if _is_new(database):
                database.execute(_CREATE)
                database.execute(f"PRAGMA user_version = {VERSION}")
                database.execute(f"PRAGMA application_id = {APPLICATION}")
            _check_version(path, database)
            database.executemany(_INSERT, _cells(observations))
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise ProfileError(f"{path}: cannot store observations ({error})") from None


def stored_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of a store, numbered.

    Raises:
        ProfileError: there is no such file, or it is no store of this version.
    """
    if not path.exists():
        raise ProfileError(f"{path}: there is no such file; check the path")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            _check_version(path, database)
            database.row_factory = sqlite3.Row
            rows = database.execute(f"SELECT rowid, {', '.join(_TYPES)} FROM observation")
            for row in rows:
                found = dict(row)
                found["error"] = "1" if found["error"] else ""
                yield found.pop("rowid"), found
    except sqlite3.Error as error:
        raise ProfileError(f"{path}: not a profile store ({error})") from None


def _is_new(database: sqlite3.Connection) -> bool:
    return not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _check_version(path: Path, database: sqlite3.Connection) -> None:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise ProfileError(f"{path}: a SQLite file, but not a profile store")
    if version != VERSION:
        raise ProfileError(
            f"{path}: a profile store of version {version}, this flowir reads {VERSION}; "
            "export it to CSV with the flowir that wrote it"
        )


def _cells(observations: Observations) -> Iterator[tuple[Any, ...]]:
    for row in observations.rows():
        yield (
            row.agent,
            row.configuration.model,
            row.configuration.budget,
            json.dumps(dict(row.configuration.params)),
            row.query,
            row.sample,
            row.correct,
            row.latency_s,
            row.input_tokens,
            row.output_tokens,
            row.cost_usd,
            int(row.input_correct),
            row.answer,
            int(row.error),
        )
