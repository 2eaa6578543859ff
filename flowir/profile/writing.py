"""Writing to a database until the disk is full, and a little longer: a file beside it is kept free
for what is under way then."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from flowir.errors import ProfileError

RESERVE_BYTES = 4 * 1024 * 1024
"""Kept free beside the store, so that a full disk still takes the results that are under way."""


class StoreFullError(ProfileError):
    """There is no room left on the disk."""


class Writer:
    """Writes to the database of a store.

    Args:
        path: of the store.
        kind: of store, for messages.

    Attributes:
        full: the disk is full: what is under way will still be stored, nothing should be begun.

    Raises:
        OSError: there is no room for the reserve.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, kind: str) -> None:
        self.full = False
        self._path, self._database, self._kind = path, database, kind
        self._unsaved: list[tuple[str, tuple[Any, ...]]] = []
        self._reserve = path.with_name(path.name + ".reserve")
        _fill(self._reserve)

    def close(self) -> None:
        """Give the reserve back."""
        self._reserve.unlink(missing_ok=True)

    def write(self, statement: str, cells: tuple[Any, ...]) -> None:
        """A transaction of its own.

        Raises:
            ProfileError: the database cannot be used; a full disk is told by `check`.
        """
        waiting = [*self._unsaved, (statement, cells)]
        self._unsaved = []
        while waiting:
            try:
                self._database.execute(*waiting[0])
                waiting.pop(0)
            except sqlite3.Error as error:
                if not is_full(error):
                    raise problem(self._path, self._kind, error) from None
                self.full = True
                if not self._reserve.exists():
                    self._unsaved = waiting
                    return
                self._reserve.unlink(missing_ok=True)

    def check(self, what: str) -> None:
        """Raise what went wrong while results were stored.

        Args:
            what: a result is, in words.

        Raises:
            StoreFullError: the disk is full; says whether anything could not be stored.
        """
        if not self.full:
            return
        lost = len(self._unsaved)
        said = f"{lost} results could not be stored" if lost else f"every finished {what} is stored"
        raise StoreFullError(
            f"{self._path}: the disk is full; {said}. Free some space and run the same command "
            "again: it goes on where it stopped"
        )


def problem(path: Path, kind: str, error: sqlite3.Error) -> ProfileError:
    """What to tell of an error of the database."""
    if is_full(error):
        return StoreFullError(f"{path}: the disk is full; free some space")
    return ProfileError(f"{path}: cannot be used as a {kind} ({error})")


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk is full, or may be."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code == sqlite3.SQLITE_FULL or code & 0xFF == sqlite3.SQLITE_IOERR


def _fill(path: Path) -> None:
    """A file of RESERVE_BYTES that really takes them."""
    try:
        with path.open("wb") as file:
            file.write(bytes(RESERVE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sound(text: str) -> str:
    """The text as UTF-8 can have it: half a surrogate pair is replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
