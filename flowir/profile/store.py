"""Observations in a SQLite file: several imports and what the profiler measured, one profile.

:mod:`flowir.profile.schema` has the tables.
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
from flowir.profile.schema import OBSERVATION, check_version, insertion, prepare

_FROM_CALLS = {
    "sample": "CASE variant WHEN '' THEN CAST(repetition AS TEXT) "
    "ELSE variant || '#' || repetition END",
    "error": "0",
}
"""Columns of an observation that a call has under another name."""


def store_observations(path: str | Path, observations: Observations) -> None:
    """Append observations to a store, making it where there is none; all of them or none.

    Raises:
        ProfileError: the file is something else, of another version, or cannot be written.
    """
    path = Path(path)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            prepare(path, database)
            database.execute("BEGIN IMMEDIATE")
            database.executemany(insertion("observation"), _cells(observations))
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise ProfileError(f"{path}: cannot store observations ({error})") from None


def stored_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of a store, numbered: what was imported, then what was measured.

    Raises:
        ProfileError: there is no such file, or it is no store of this version.
    """
    if not path.exists():
        raise ProfileError(f"{path}: there is no such file; check the path")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            version = check_version(path, database)
            database.row_factory = sqlite3.Row
            queries = [f"SELECT rowid, {', '.join(OBSERVATION)}, '' AS proxy FROM observation"]
            if version > 1:
                columns = (f"{_FROM_CALLS.get(name, name)} AS {name}" for name in OBSERVATION)
                queries.append(
                    f"SELECT rowid, {', '.join(columns)}, proxy FROM call "
                    "WHERE purpose IN ('profile', 'tool') ORDER BY rowid"
                )
            for query in queries:
                for row in database.execute(query):
                    found = dict(row)
                    found["error"] = "1" if found["error"] else ""
                    yield found.pop("rowid"), found
    except sqlite3.Error as error:
        raise ProfileError(f"{path}: not a profile store ({error})") from None


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
