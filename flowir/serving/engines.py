"""Engine profiles of a server's models, from what `flowir latency` measured."""

from __future__ import annotations

from pathlib import Path

from flowir.engines.engine import LanguageModelEngine
from flowir.engines.measured import read_engines
from flowir.errors import ProfileError, ServingError


def engines_of(path: str | Path | None) -> dict[str, LanguageModelEngine]:
    """The profiles of a file, by model; none without a file.

    Raises:
        ServingError: the file is no engine profile.
    """
    if path is None:
        return {}
    try:
        measured = read_engines(path)
    except ProfileError as error:
        raise ServingError(str(error)) from None
    return {
        model: LanguageModelEngine(
            model,
            one.prefill_base_s,
            one.prefill_per_token_s,
            one.decode_base_s,
            one.decode_per_request_s,
            simulated=one.simulated,
        )
        for model, one in measured.items()
    }
