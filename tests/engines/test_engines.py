"""Fits find what made the measurements; files of engines come back as they were."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.engines import measured, storage
from flowir.engines.defaults import DEFAULTS, EMBEDDING, LARGE
from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.engines.fitting import LoadedStep, fit_line, fit_load, non_negative
from flowir.engines.measured import EngineProfile, Load, Spread
from flowir.errors import ProfileError
from flowir.prim.graph import Node, PrimitiveGraph, Work
from flowir.scheduling.policies import FIFO
from flowir.sim.primitives import Arrival, simulate_primitives
from tests.budget import some

COEFFICIENT = st.floats(0.1, 10)


@given(COEFFICIENT, COEFFICIENT, COEFFICIENT, COEFFICIENT)
def test_a_fit_finds_the_engine_whose_loads_are_given(
    base: float, request: float, context: float, prefill: float
) -> None:
    rows = [
        LoadedStep(
            b,
            n,
            m,
            1e-2 * base
            + 1e-4 * request * b
            + 1e-7 * context * b * (n + m / 2)
            + 1e-5 * prefill * (b - 1) * n / m,
        )
        for b in (1, 8, 32, 128)
        for n in (256, 1024, 4096)
        for m in (128, 512)
    ]
    fit = fit_load(rows)
    assert fit.error < 1e-9
    assert fit.decode_base_s == pytest.approx(1e-2 * base)
    assert fit.decode_per_request_s == pytest.approx(1e-4 * request)
    assert fit.decode_per_context_token_s == pytest.approx(1e-7 * context)
    assert fit.prefill_per_token_s == pytest.approx(1e-5 * prefill)


def closed_loop(engine: LanguageModelEngine, requests: int, tokens: int, output: int) -> float:
    """Simulated time per output token, each request followed by another of its client.

    Lengths vary: equal ones would fall into step, and never meet each other's prefills.
    """
    draw = random.Random(f"{requests} {tokens} {output}")
    lengths = {}
    arrivals = []
    for client in range(requests):
        nodes: list[Node] = []
        for turn in range(12):
            written = draw.randint(output // 2, output + output // 2)
            lengths[client, 2 * turn + 1] = written
            after = (2 * turn - 1,) if turn else ()
            nodes += [
                Node("p", "prefilling", "e", Work(1, tokens), after),
                Node("d", "decoding", "e", Work(1, 0, written, tokens), (2 * turn,), 2 * turn),
            ]
        arrivals.append(Arrival(client, draw.random(), PrimitiveGraph(tuple(nodes), 23)))
    run = simulate_primitives(arrivals, {"e": engine}, FIFO, record=True)
    middle = [span for span in run.spans if span.tasks[0].node in (7, 9, 11, 13)]
    seconds = sum(span.end_s - span.begin_s for span in middle)
    return seconds / sum(lengths[span.tasks[0]] for span in middle)  # type: ignore[index]


def test_a_fit_of_simulated_loads_is_near_the_engine_that_was_simulated() -> None:
    """An independent way: the simulated engine prefills in calls, the fit knows only tokens."""
    true = LanguageModelEngine("e", 0.0, 7e-5, 0.014, 7e-5, 3e-8)
    rows = [
        LoadedStep(b, n, m, closed_loop(true, b, n, m))
        for b in (2, 8, 24)
        for n in (500, 2000)
        for m in (100, 300)
    ]
    fit = fit_load(rows)
    assert fit.error < 0.08
    assert fit.decode_base_s == pytest.approx(0.014, rel=0.1)
    assert fit.prefill_per_token_s == pytest.approx(7e-5, rel=0.2)


def test_lines_and_coefficients_below_zero() -> None:
    assert fit_line([1, 2, 4], [3.0, 5.0, 9.0]) == pytest.approx((1.0, 2.0, 0.0))
    falling = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    found = non_negative(falling, np.array([3.0, 2.0, 1.0]))
    assert found[1] == 0
    assert found[0] > 0
    with pytest.raises(ProfileError, match="measure more"):
        fit_load([LoadedStep(1, 1, 1, 1)] * 3)
    with pytest.raises(ProfileError, match="two loads"):
        fit_line([1], [1])


def test_defaults_reproduce_the_published_examples() -> None:
    assert EMBEDDING.alone_s(48) == pytest.approx(1.35)
    parts = 2 * LARGE.prefill_base_s + (0.26036 - LARGE.prefill_base_s)
    assert parts == pytest.approx(0.07603 + 0.21589)


FLOATS = st.floats(0, 1e3, allow_nan=False)
COUNTS = st.integers(1, 10**9)
MODELS = st.builds(
    LanguageModelEngine, st.text(min_size=1), FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, COUNTS,
    COUNTS, st.booleans(), st.booleans(), FLOATS,
)  # fmt: skip
BATCHERS = st.builds(
    BatchEngine, st.text(min_size=1), FLOATS, FLOATS, FLOATS, COUNTS, COUNTS, COUNTS, st.booleans()
)


@settings(max_examples=some(50))
@given(st.lists(st.one_of(MODELS, BATCHERS), unique_by=lambda engine: engine.name))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, engines: list[LanguageModelEngine | BatchEngine]
) -> None:
    path = tmp_path_factory.mktemp("engines") / "engines.json"
    storage.write(path, engines)
    assert list(storage.read(path).values()) == engines


def test_the_defaults_go_into_a_file_and_back(tmp_path: Path) -> None:
    storage.write(tmp_path / "e.json", DEFAULTS.values())
    assert storage.read(tmp_path / "e.json") == DEFAULTS


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "gpu"}, "engine 1: kind is 'gpu'; give 'language model' or 'batch'"),
        ({"kind": "batch", "name": "e"}, "base_s is missing"),
        ({"kind": "batch", "name": "e", "base_s": -1}, "base_s is -1; give at least 0"),
        ({"kind": "batch", "name": "e", "base_s": "1"}, "base_s is '1'; give a number"),
        ({"kind": "batch", "name": "e", "base_s": True}, "base_s is True; give a number"),
        ({"kind": "batch", "name": "e", "base_s": 1, "slots": 0}, "slots is 0; give at least 1"),
        ({"kind": "batch", "name": "e", "base_s": 1, "slots": 1.5}, "give a whole number"),
        ({"kind": "batch", "name": "e", "base_s": 1, "slotz": 1}, "did you mean slots?"),
        ({"kind": "batch", "name": "", "base_s": 1}, "give a name"),
    ],
)
def test_what_no_engine_can_be_is_said(tmp_path: Path, entry: object, said: str) -> None:
    path = tmp_path / "engines.json"
    path.write_text(json.dumps({"schema": 1, "engines": [entry]}), encoding="utf-8")
    with pytest.raises(ProfileError, match=r"engines\.json") as caught:
        storage.read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "no file of engines"),
        ('{"engines": [3], "schema": 1}', "no file of engines"),
        ('{"engines": [], "schema": 2}', "engines of schema 2, this flowir reads 1"),
    ],
)
def test_what_is_no_file_of_engines_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "engines.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError, match=said):
        storage.read(path)
    with pytest.raises(ProfileError, match="no such file"):
        storage.read(tmp_path / "none.json")


def test_what_flowir_latency_wrote_is_an_engine(tmp_path: Path) -> None:
    spread = Spread(1.0, 1.0, 1.0)
    loads = tuple(Load(c, 10, 100.0, 20.0, spread, spread, 5.0) for c in (1, 4, 16))
    profile = EngineProfile("m", 0.2, 1e-4, 0.01, 1e-3, loads)
    measured.write_engines(tmp_path / "latency.json", [profile])
    model = LanguageModelEngine("m", 0.2, 1e-4, 0.01, 1e-3, slots=16, simulated=False)
    assert storage.read(tmp_path / "latency.json") == {"m": model}
    document = json.loads((tmp_path / "latency.json").read_text(encoding="utf-8"))
    document["engines"].append({"kind": "batch", "name": "e", "base_s": 1})
    (tmp_path / "both.json").write_text(json.dumps(document), encoding="utf-8")
    assert storage.read(tmp_path / "both.json") == {"m": model, "e": BatchEngine("e", 1.0)}
    del document["engines"][0]["prefill"]
    (tmp_path / "less.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ProfileError, match="engine 1: 'prefill' is missing"):
        storage.read(tmp_path / "less.json")
