"""Engines from a file: what `flowir latency` measured, or written by hand.

    {"schema": 1, "engines": [
      {"name": "reranker", "kind": "batch", "base_s": 0.02, "per_item_s": 0.004, "slots": 2},
      {"name": "gpt-4o-mini", "kind": "language model", "prefill_base_s": 0.03, …},
      {"model": "gpt-4o", "prefill": {…}, "decode": {…}, "loads": […]}]}

Entries with `kind` have the fields of `flowir.engines.engine`; those with `model` are measured.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.errors import ProfileError, nearest
from flowir.profile.problems import open_text

SCHEMA = 1
KINDS: Mapping[str, type[Engine]] = {
    "batch": BatchEngine,
    "language model": LanguageModelEngine,
}


def load_engines(path: str | Path) -> dict[str, Engine]:
    """Engines by name.

    Raises:
        ProfileError: the file is missing or no engines; says which entry and what of it.
    """
    path = Path(path)
    with open_text(path) as file:
        try:
            document = json.load(file)
        except ValueError as error:
            raise ProfileError(f"{path}: not JSON ({error})") from None
    if not isinstance(document, dict) or not isinstance(document.get("engines"), list):
        raise ProfileError(f'{path}: no engines; write {{"schema": 1, "engines": […]}}')
    if document.get("schema") != SCHEMA:
        raise ProfileError(
            f"{path}: engines of schema {document.get('schema')}, this flowir reads {SCHEMA}"
        )
    found: dict[str, Engine] = {}
    for number, entry in enumerate(document["engines"], start=1):
        try:
            engine = _engine(entry)
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ProfileError(f"{path}: engine {number}: {what}") from None
        if engine.name in found:
            raise ProfileError(f"{path}: engine {number}: {engine.name} is given twice")
        found[engine.name] = engine
    return found


def _engine(entry: Any) -> Engine:
    if not isinstance(entry, dict):
        raise TypeError('no object; write {"name": …, "kind": …}')
    if "model" in entry:
        return _measured(entry)
    kind = entry["kind"]
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r}; use {' or '.join(KINDS)}")
    fields = {field.name for field in dataclasses.fields(KINDS[kind])}
    given = {name: value for name, value in entry.items() if name != "kind"}
    for name, value in given.items():
        if name not in fields:
            raise ValueError(f"no field '{name}'{nearest(name, fields)}")
        if name not in ("name", "prefix_cache", "simulated"):
            _verify_number(name, value)
    return KINDS[kind](**given)


def _measured(entry: Mapping[str, Any]) -> LanguageModelEngine:
    prefill, decode = entry["prefill"], entry["decode"]
    amounts = {
        "prefill_base_s": prefill["base_s"],
        "prefill_per_token_s": prefill["per_token_s"],
        "decode_base_s": decode["base_s"],
        "decode_per_request_s": decode["per_request_s"],
    }
    for name, value in amounts.items():
        _verify_number(name, value)
    return LanguageModelEngine(
        str(entry["model"]), **amounts, simulated=bool(entry.get("simulated", False))
    )


def _verify_number(name: str, value: object) -> None:
    counted = name in ("slots", "largest_batch", "efficient_batch", "kv_tokens")
    if counted and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"{name} is {value!r}; give a whole number, at least 1")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and value >= 0):  # type: ignore[arg-type,operator]
        raise ValueError(f"{name} is {value!r}; give seconds, at least 0")
