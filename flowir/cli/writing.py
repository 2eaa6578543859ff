"""What commands leave behind: files that appear whole, all or none, and JSON on standard output."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flowir.files import write_atomically
from flowir.source.diagnostics import UsageError


def write(files: Iterable[tuple[str, str]]) -> None:
    """Write texts to paths, after all folders were found to be there.

    Raises:
        UsageError: a folder is missing, or a file cannot be written.
    """
    files = list(files)
    for path, _ in files:
        folder = Path(path).absolute().parent
        if not folder.is_dir():
            raise UsageError(f"{path}: there is no folder {folder}; make it first")
    for path, text in files:
        try:
            write_atomically(path, text)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


def print_json(document: Any) -> None:
    """A document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
