"""Engine profiles of a server's models, from a file: what `flowir latency` measured, or others."""

from __future__ import annotations

from pathlib import Path

from flowir.engines import storage
from flowir.engines.engine import LanguageModelEngine
from flowir.errors import ProfileError, ServingError


def engines_of(path: str | Path | None) -> dict[str, LanguageModelEngine]:
    """The profiles of a file, by model; none without a file.

    Raises:
        ServingError: the file is no engine profile.
    """
    if path is None:
        return {}
    try:
        found = storage.read(path)
    except ProfileError as error:
        raise ServingError(str(error)) from None
    return {name: one for name, one in found.items() if isinstance(one, LanguageModelEngine)}
