"""Problems of a file of rows, collected so that one error reports all of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from flowir.errors import ProfileError

SHOWN = 20


class Problems:
    """Bad rows of one file: line and reason, the first `SHOWN` kept, all counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.shown: list[str] = []

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"  line {line}: {reason}")

    def raise_if_any(self) -> None:
        """Raise one ProfileError with everything that was added."""
        if not self.count:
            return
        noun = "bad row" if self.count == 1 else "bad rows"
        lines = [f"{self.path}: {self.count} {noun}; nothing was read", *self.shown]
        if self.count > len(self.shown):
            lines.append(f"  and {self.count - len(self.shown)} more")
        raise ProfileError("\n".join(lines))


def open_text(path: Path) -> TextIO:
    """The file as UTF-8 text, a byte order mark skipped.

    Raises:
        ProfileError: it does not exist, is a folder, or may not be read.
    """
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except FileNotFoundError:
        raise ProfileError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise ProfileError(f"{path}: this is a folder; name a file in it") from None
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read ({error.strerror})") from None


def check_columns(
    path: Path,
    header: Sequence[str] | None,
    known: Sequence[str],
    *,
    required: Sequence[str],
) -> None:
    """Refuse an empty file, unknown or repeated columns, and missing required ones.

    Raises:
        ProfileError: names every wrong column with the nearest known name, and what is missing.
    """
    if header is None or not any(name.strip() for name in header):
        raise ProfileError(
            f"{path}: the file is empty; its first line must name the columns: {', '.join(known)}"
        )
    names = [name.strip() for name in header]
    lines = []
    for name in dict.fromkeys(names):
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            hint = f'; did you mean "{near[0]}"?' if near else "; remove it"
            lines.append(f'  unknown column "{name}"{hint}')
        elif names.count(name) > 1:
            lines.append(f'  column "{name}" appears {names.count(name)} times; keep one')
    lines += [f'  missing column "{name}"' for name in required if name not in names]
    if lines:
        lines.insert(0, f"{path}: wrong columns")
        raise ProfileError("\n".join([*lines, f"  columns known: {', '.join(known)}"]))
