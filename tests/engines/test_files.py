"""Engines are read from files, and what is wrong with one is said."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.engines.files import load_engines
from flowir.engines.measured import EngineProfile, write_engines
from flowir.errors import ProfileError

seconds = st.floats(0, 100)
counts = st.integers(1, 10_000)
batches = st.builds(
    BatchEngine, st.text(min_size=1), seconds, seconds, seconds, counts, counts, counts
)
models = st.builds(
    LanguageModelEngine, st.text(min_size=1), seconds, seconds, seconds, seconds, seconds, counts
)


def written(folder: Path, *entries: Any) -> Path:
    path = folder / "engines.json"
    path.write_text(json.dumps({"schema": 1, "engines": entries}))
    return path


@given(engine=batches | models)
def test_what_is_written_is_read(
    engine: BatchEngine | LanguageModelEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind = "batch" if isinstance(engine, BatchEngine) else "language model"
    entry = {"kind": kind, **dataclasses.asdict(engine)}
    path = written(tmp_path_factory.getbasetemp(), entry)
    assert load_engines(path) == {engine.name: engine}


def test_measured_profiles_are_language_models(tmp_path: Path) -> None:
    path = tmp_path / "engines.json"
    write_engines(path, [EngineProfile("m", 0.1, 0.001, 0.02, 0.003, ())])
    expected = LanguageModelEngine("m", 0.1, 0.001, 0.02, 0.003, simulated=False)
    assert load_engines(path) == {"m": expected}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a"}, "engine 1: 'kind' is missing"),
        ({"name": "a", "kind": "gpu"}, "no kind 'gpu'; use batch or language model"),
        ({"name": "a", "kind": "batch", "base": 1}, "no field 'base'; did you mean base_s?"),
        ({"name": "a", "kind": "batch", "base_s": -1}, "base_s is -1; give seconds, at least 0"),
        ({"name": "a", "kind": "batch", "base_s": "x"}, "base_s is 'x'"),
        ({"name": "a", "kind": "batch", "base_s": 1, "slots": 0}, "slots is 0; give a whole"),
        ({"kind": "batch", "base_s": 1}, "missing 1 required positional argument: 'name'"),
        ([], "no object"),
    ],
)
def test_what_is_wrong_with_an_engine_is_said(entry: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=message.replace("?", r"\?")):
        load_engines(written(tmp_path, entry))


def test_names_are_given_once(tmp_path: Path) -> None:
    entry = {"name": "a", "kind": "batch", "base_s": 1}
    with pytest.raises(ProfileError, match="engine 2: a is given twice"):
        load_engines(written(tmp_path, entry, entry))
