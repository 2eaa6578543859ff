"""Runs of a workflow in a file: every one is on the disk when it ends, and none is made twice."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from filelock import FileLock, Timeout

from flowir.errors import ProfileError
from flowir.profile.writing import Writer, problem

APPLICATION = 0x666C6576
"""`flev`, in the file's header: other SQLite files are not taken for a store of runs."""
VERSION = 2
"""Of the schema; 1 had no answers, since a run was stored when it was judged."""
KIND = "store of runs"


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


class RunStore:
    """Runs by key; use it as a context manager. One process at a time may have it.

    Raises:
        ProfileError: another process has it, or the file is no store of runs.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.runs: dict[RunKey, Run] = {}
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"), blocking=False)

    def __enter__(self) -> Self:
        with self._problems():
            try:
                self._lock.acquire()
            except Timeout:
                raise ProfileError(
                    f"{self.path}: another evaluation is writing to this store; wait for it, or "
                    "name another one with --store"
                ) from None
            try:
                self._open()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.close()
            self._writer.close()
            self._lock.release()

    @property
    def full(self) -> bool:
        """The disk is full: what is under way will still be stored, nothing should be begun."""
        return self._writer.full

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

    def check(self) -> None:
        """Raise what went wrong while runs were stored.

        Raises:
            StoreFullError: the disk is full; says whether anything could not be stored.
        """
        self._writer.check("run")

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, isolation_level=None)
        try:
            self._prepare()
            rows = self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM run ORDER BY rowid")
            self.runs = {RunKey(*row[:3]): Run(*row[3:]) for row in rows}
            self._writer = Writer(self.path, self._database, KIND)
        except BaseException:
            self._database.close()
            raise

    def _prepare(self) -> None:
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and (application != APPLICATION or version not in (1, VERSION)):
            raise ProfileError(
                f"{self.path}: not a store of runs of this version; name another file with --store"
            )
        self._database.execute("PRAGMA secure_delete = ON")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
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

    @contextlib.contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise problem(self.path, KIND, error) from None
        except OSError as error:
            raise ProfileError(
                f"{self.path}: a store cannot be made there ({error.strerror or error})"
            ) from None
