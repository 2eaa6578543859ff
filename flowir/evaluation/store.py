"""Runs of a workflow in a file: every one is on the disk when it ends, and none is made twice."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from flowir.errors import ProfileError
from flowir.profile.locked import LockedStore

APPLICATION = 0x666C6576
"""`flev`, in the file's header: other SQLite files are not taken for a store of runs."""
VERSION = 2
"""Of the schema; 1 had no answers, since a run was stored when it was judged."""


class RunKey(NamedTuple):
    """Which run: the hash of the workflow, what its point chooses as JSON, and the query."""

    workflow: str
    choices: str
    query: str


@dataclass(frozen=True)
class Run:
    """A run that ended with an answer, or with one that the workflow cannot go on with.

    Attributes:
        asked: SHA-256 of the query's fields and of what is expected.
        judge: who found it right or wrong; empty while nobody has.
        correct: 0..1; None while it is not judged.
        latency_s: seconds from the start to the end.
        cost_usd: None where a price is not known.
        cancelled: requests cut short, whose cost nobody here knows.
        answer: as a prompt would show it, until it is judged; empty then.
    """

    asked: str
    judge: str
    correct: float | None
    latency_s: float
    cost_usd: float | None
    calls: int
    input_tokens: int
    output_tokens: int
    cancelled: int
    answer: str = ""


_COLUMNS = ("workflow", "choices", "query", *(field.name for field in fields(Run)))


class RunStore(LockedStore):
    """Runs by key; use it as a context manager. One process at a time may have it.

    Raises:
        ProfileError: another process has it, or the file is no store of runs.
    """

    KIND = "store of runs"
    RESULT = "run"
    BUSY = (
        "another evaluation is writing to this store; wait for it, or name another one with --store"
    )

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.runs: dict[RunKey, Run] = {}

    def add(self, key: RunKey, run: Run) -> None:
        """Store a run that ended."""
        places = ", ".join("?" * len(_COLUMNS))
        self._writer.write(
            f"INSERT INTO run ({', '.join(_COLUMNS)}) VALUES ({places})", (*key, *astuple(run))
        )
        self.runs[key] = run

    def judge(self, key: RunKey, judge: str, correct: float) -> None:
        """Store what was found of a stored run; its answer is overwritten."""
        self._writer.write(
            "UPDATE run SET judge = ?, correct = ?, answer = '' "
            "WHERE workflow = ? AND choices = ? AND query = ?",
            (judge, correct, *key),
        )
        self.runs[key] = replace(self.runs[key], judge=judge, correct=correct, answer="")

    def _read(self) -> None:
        rows = self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM run ORDER BY rowid")
        self.runs = {RunKey(*row[:3]): Run(*row[3:]) for row in rows}

    def _prepare(self) -> None:
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and (application != APPLICATION or version not in (1, VERSION)):
            raise ProfileError(
                f"{self.path}: not a store of runs of this version; name another file with --store"
            )
        if not tables:
            names = ", ".join(_COLUMNS)
            self._database.executescript(
                f"BEGIN; CREATE TABLE run ({names}, PRIMARY KEY (workflow, choices, query)); "
                f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            )
        elif version == 1:
            self._database.executescript(
                "BEGIN; ALTER TABLE run ADD COLUMN answer NOT NULL DEFAULT ''; "
                f"PRAGMA user_version = {VERSION}; COMMIT;"
            )
