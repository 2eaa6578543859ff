"""A file of engines, which a scheduler and a simulation are given.

    {"schema": 1, "engines": [
      {"kind": "language model", "name", "prefill_base_s", "prefill_per_token_s", "decode_base_s",
       "decode_per_request_s", "decode_per_context_token_s", "slots", "kv_tokens", "prefix_cache",
       "simulated", "prefill_batch_tokens"},
      {"kind": "batch", "name", "base_s", "per_item_s", "per_token_s", "largest_batch",
       "efficient_batch", "slots", "simulated"}]}

What an engine leaves out is as the class has it. Entries that `flowir latency` wrote, with "model"
and what was measured, are read as well, and may stand beside others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any

from flowir.engines import measured
from flowir.engines.engine import UNLIMITED, BatchEngine, Engine, LanguageModelEngine
from flowir.engines.measured import EngineProfile
from flowir.errors import ProfileError, nearest
from flowir.files import write_atomically
from flowir.profile.problems import open_text

SCHEMA = 1

KINDS: Mapping[str, type[LanguageModelEngine] | type[BatchEngine]] = {
    "language model": LanguageModelEngine,
    "batch": BatchEngine,
}

_AT_LEAST_ONE = frozenset({"slots", "kv_tokens", "largest_batch", "efficient_batch"})


def write(path: str | Path, engines: Iterable[Engine]) -> None:
    """Write engines.

    Raises:
        ProfileError: the file cannot be written.
    """
    kinds = {kind: name for name, kind in KINDS.items()}
    entries = [{"kind": kinds[type(engine)], **asdict(engine)} for engine in engines]
    text = json.dumps({"schema": SCHEMA, "engines": entries}, indent=1, allow_nan=False) + "\n"
    try:
        write_atomically(path, text)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be written ({error.strerror})") from None


def read(path: str | Path) -> dict[str, Engine]:
    """Engines by name.

    Raises:
        ProfileError: the file is missing, is no file of engines, or says what no engine can be.
    """
    path = Path(path)
    with open_text(path) as file:
        try:
            document = json.load(file)
        except ValueError as error:
            raise ProfileError(f"{path}: not JSON ({error})") from None
    entries = document.get("engines") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ProfileError(f'{path}: no file of engines; it is {{"schema": 1, "engines": […]}}')
    if document.get("schema") != SCHEMA:
        raise ProfileError(
            f"{path}: engines of schema {document.get('schema')}, this flowir reads {SCHEMA}"
        )
    found: dict[str, Engine] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            one = engine(measured.profile(entry)) if "model" in entry else _from_json(entry)
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ProfileError(f"{path}: engine {number}: {what}") from None
        if one.name in found:
            raise ProfileError(f"{path}: engine {number}: {one.name!r} is there twice; keep one")
        found[one.name] = one
    return found


def engine(profile: EngineProfile, *, kv_tokens: int = UNLIMITED) -> LanguageModelEngine:
    """The engine that `flowir latency` measured.

    It has as many slots as requests were open at most while it was measured: beyond, nothing is
    known. What a step takes for each token of context is not measured, and is in the rest.
    """
    return LanguageModelEngine(
        profile.model,
        profile.prefill_base_s,
        profile.prefill_per_token_s,
        profile.decode_base_s,
        profile.decode_per_request_s,
        slots=max((load.concurrency for load in profile.loads), default=1),
        kv_tokens=kv_tokens,
        simulated=profile.simulated,
    )


def _from_json(entry: Mapping[str, Any]) -> Engine:
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; give {' or '.join(map(repr, KINDS))}")
    known = {field.name: field for field in fields(KINDS[kind])}
    for name in entry:
        if name != "kind" and name not in known:
            raise ValueError(f"no {kind} has {name!r}{nearest(name, known)}")
    values = {}
    for name, field in known.items():
        if name in entry:
            values[name] = _value(name, field, entry[name])
        elif field.default is MISSING:
            raise ValueError(f"{name} is missing")
    return KINDS[kind](**values)


def _value(name: str, field: Field[Any], value: Any) -> Any:
    wanted = str(field.type)
    if wanted == "str":
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} is {value!r}; give a name")
        return value
    if wanted == "bool":
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; give true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; give a number")
    if wanted == "int" and value != int(value):
        raise ValueError(f"{name} is {value}; give a whole number")
    least = 1 if name in _AT_LEAST_ONE else 0
    if value < least:
        raise ValueError(f"{name} is {value}; give at least {least}")
    return int(value) if wanted == "int" else float(value)
