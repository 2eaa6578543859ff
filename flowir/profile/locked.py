"""A database that one process at a time writes to, result by result, until the disk is full."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from filelock import FileLock, Timeout

from flowir.errors import ProfileError
from flowir.profile.writing import Writer, problem


class LockedStore(ABC):
    """What stores have in common; use one as a context manager.

    Attributes:
        KIND: of store, for messages.
        RESULT: what it holds, one of them, in words.
        BUSY: what to tell who comes while another process has it.

    Raises:
        ProfileError: another process has it, or the file is no such store.
    """

    KIND: ClassVar[str]
    RESULT: ClassVar[str]
    BUSY: ClassVar[str]

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"), blocking=False)

    @abstractmethod
    def _prepare(self) -> None:
        """Give a new file its schema, or check that of an old one."""

    @abstractmethod
    def _read(self) -> None:
        """Take up what is stored."""

    def __enter__(self) -> Self:
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise ProfileError(f"{self.path}: there is no folder {folder}")
        try:
            self._lock.acquire()
            try:
                self._open()
            except BaseException:
                self._lock.release()
                raise
        except Timeout:
            raise ProfileError(f"{self.path}: {self.BUSY}") from None
        except sqlite3.Error as error:
            raise problem(self.path, self.KIND, error) from None
        except OSError as error:
            raise ProfileError(
                f"{self.path}: a store cannot be made there ({error.strerror or error})"
            ) from None
        return self

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, isolation_level=None)
        try:
            self._database.execute("PRAGMA secure_delete = ON")
            self._prepare()
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._read()
            self._writer = Writer(self.path, self._database, self.KIND)
        except BaseException:
            self._database.close()
            raise

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

    def check(self) -> None:
        """Raise what went wrong while results were stored.

        Raises:
            StoreFullError: the disk is full; says whether anything could not be stored.
        """
        self._writer.check(self.RESULT)
