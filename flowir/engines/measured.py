"""Engine profiles: how long an endpoint takes to begin and to go on, against its load.

    {"schema": 1, "engines": [{"model", "simulated", "prefill": {"base_s", "per_token_s"},
      "decode": {"base_s", "per_request_s"}, "loads": [{"concurrency", "requests", "input_tokens",
      "output_tokens", "ttft_s": {"mean", "p50", "p95"}, "per_output_token_s": {…},
      "output_tokens_per_s"}]}]}

`prefill` comes from requests that were alone: the time to the first token of others includes their
queueing. `decode` is a line through the loads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowir.errors import ProfileError
from flowir.files import write_atomically
from flowir.profile.problems import open_text

SCHEMA = 1


@dataclass(frozen=True)
class Spread:
    """A measured time in seconds."""

    mean: float
    p50: float
    p95: float


@dataclass(frozen=True)
class Load:
    """What was measured while so many requests were open at the same time.

    Attributes:
        input_tokens, output_tokens: means per request.
        ttft_s: time to the first token.
        per_output_token_s: time per output token after the first.
        output_tokens_per_s: of all requests together.
    """

    concurrency: int
    requests: int
    input_tokens: float
    output_tokens: float
    ttft_s: Spread
    per_output_token_s: Spread
    output_tokens_per_s: float


@dataclass(frozen=True)
class EngineProfile:
    """One model at one endpoint.

    Attributes:
        prefill_base_s, prefill_per_token_s: time to the first token of a request that is alone, as
            a line in its input tokens.
        decode_base_s, decode_per_request_s: time per output token, as a line in the number of
            requests that are open.
        simulated: no real endpoint was measured.
    """

    model: str
    prefill_base_s: float
    prefill_per_token_s: float
    decode_base_s: float
    decode_per_request_s: float
    loads: tuple[Load, ...]
    simulated: bool = False

    def prefill_s(self, tokens: float) -> float:
        """Seconds to the first token of so many input tokens, without queueing."""
        return self.prefill_base_s + self.prefill_per_token_s * tokens

    def step_s(self, requests: float) -> float:
        """Seconds per output token while so many requests are open."""
        return self.decode_base_s + self.decode_per_request_s * requests


def write_engines(path: str | Path, engines: Iterable[EngineProfile]) -> None:
    """Write engine profiles.

    Raises:
        ProfileError: the file cannot be written.
    """
    document = {"schema": SCHEMA, "engines": [_as_json(engine) for engine in engines]}
    try:
        write_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise ProfileError(f"{path}: cannot be written ({error.strerror})") from None


def read_engines(path: str | Path) -> dict[str, EngineProfile]:
    """Engine profiles by model.

    Raises:
        ProfileError: the file is missing, no engine profile, or one of another schema.
    """
    path = Path(path)
    with open_text(path) as file:
        try:
            document = json.load(file)
        except ValueError as error:
            raise ProfileError(f"{path}: not JSON ({error})") from None
    if not isinstance(document, dict) or "engines" not in document:
        raise ProfileError(f"{path}: no engine profile; flowir latency writes them")
    if document.get("schema") != SCHEMA:
        raise ProfileError(
            f"{path}: an engine profile of schema {document.get('schema')}, this flowir reads "
            f"{SCHEMA}; measure again"
        )
    found: dict[str, EngineProfile] = {}
    for number, entry in enumerate(document["engines"], start=1):
        try:
            engine = profile(entry)
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ProfileError(f"{path}: engine {number}: {what}") from None
        found[engine.model] = engine
    return found


def _as_json(engine: EngineProfile) -> dict[str, Any]:
    return {
        "model": engine.model,
        "simulated": engine.simulated,
        "prefill": {"base_s": engine.prefill_base_s, "per_token_s": engine.prefill_per_token_s},
        "decode": {"base_s": engine.decode_base_s, "per_request_s": engine.decode_per_request_s},
        "loads": [asdict(load) for load in engine.loads],
    }


def profile(entry: Mapping[str, Any]) -> EngineProfile:
    """The engine profile of one entry of a file.

    Raises:
        KeyError, TypeError, ValueError: something is missing, or is no time.
    """
    prefill, decode = entry["prefill"], entry["decode"]
    return EngineProfile(
        str(entry["model"]),
        _seconds(prefill, "base_s"),
        _seconds(prefill, "per_token_s"),
        _seconds(decode, "base_s"),
        _seconds(decode, "per_request_s"),
        _loads(entry.get("loads", ())),
        bool(entry.get("simulated", False)),
    )


def _loads(entries: Sequence[Mapping[str, Any]]) -> tuple[Load, ...]:
    return tuple(
        Load(
            **{
                **entry,
                "ttft_s": Spread(**entry["ttft_s"]),
                "per_output_token_s": Spread(**entry["per_output_token_s"]),
            }
        )
        for entry in entries
    )


def _seconds(entry: Mapping[str, Any], name: str) -> float:
    value = float(entry[name])
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value}; give seconds, at least 0")
    return value
