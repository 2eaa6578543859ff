"""Routing learned from a profile: on a world where easy queries are short, and of no use where
nothing of a query shows how hard it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.cli.commands.serve import FEATURES, ROUTERS
from flowir.cli.main import cli
from flowir.errors import ServingError
from flowir.profiler.data import read_data
from flowir.search.observed import read_observed
from flowir.serving.compiled import Wanted, read_compiled
from flowir.serving.features import EMBEDDINGS, features_of, hashing, text_of, waited_for
from flowir.serving.learning import CLASSIFIERS, Routing, learned_routing
from flowir.serving.sets import ConfigurationSet, Subsets
from flowir.serving.smoothing import WIDTHS, best, errors
from tests.budget import some
from tests.serving.conftest import Files
from tests.serving_worlds import CHANCE, text, write_queries

TOLERANCE = 0.05
FRESH = 600


def routing(files: Files, queries: Path, router: str = "kernel", **options: Any) -> Routing:
    compiled = read_compiled(files.front, wanted=Wanted(tolerance=TOLERANCE, routed=True))
    observed = read_observed(str(files.profile), None, 0)
    return learned_routing(
        compiled, observed, read_data(queries), TOLERANCE,
        classifier=CLASSIFIERS[router], **options,
    )  # fmt: skip


def fresh(found: Routing, telling: bool) -> tuple[float, float]:
    """Accuracy lost by fresh requests that take the small model wherever they may, and how many."""
    draw = np.random.default_rng(99)
    lost, small = [], []
    for _ in range(FRESH):
        easy = bool(draw.random() < 0.5)
        shown = text(easy if telling else bool(draw.random() < 0.5), draw)
        cheaper = (1,) in found.route({"task": shown})
        small.append(cheaper)
        lost.append(cheaper * (CHANCE["large", easy] - CHANCE["small", easy]))
    return float(np.mean(lost)), float(np.mean(small))


@pytest.mark.parametrize("router", ["kernel", "nearest"])
def test_easy_requests_may_go_to_the_small_model(learned: Files, router: str) -> None:
    found = routing(learned, learned.informative, router)
    assert found.calibrated.risk <= TOLERANCE
    assert found.observed == 1.0
    lost, small = fresh(found, telling=True)
    assert lost <= TOLERANCE
    assert small > 0.3
    assert found.cheaper == pytest.approx(small, abs=0.12)
    words = " ".join(found.words())
    assert f"compares a request with {found.known} known queries; calibrated on 120" in words
    assert "get something cheaper" in words


@pytest.mark.parametrize("router", list(CLASSIFIERS))
def test_where_nothing_shows_how_hard_a_request_is_nothing_is_given_up(
    learned: Files, router: str
) -> None:
    """The small model is much worse on average, so that it may stay open to next to nobody."""
    found = routing(learned, learned.useless, router, embed=None)
    lost, small = fresh(found, telling=False)
    assert lost <= TOLERANCE
    assert small < 0.2
    if router == "uniform":
        assert small == 0.0
        assert "every request gets that" in found.words()[-1]


def test_the_same_seed_gives_the_same_router(learned: Files) -> None:
    one, other = (routing(learned, learned.informative) for _ in range(2))
    assert one.calibrated.router.margin == other.calibrated.router.margin
    assert np.array_equal(one.calibrated.router.success, other.calibrated.router.success)
    lines = learned.informative.read_text().splitlines()
    shuffled = learned.informative.with_name("shuffled.jsonl")
    shuffled.write_text("\n".join(reversed(lines)))
    again = routing(learned, shuffled)
    assert again.words() == one.words()


def test_the_names_of_the_command_line() -> None:
    assert tuple(CLASSIFIERS) == ROUTERS
    assert tuple(EMBEDDINGS) == FEATURES


def serve(files: Files, *options: str) -> str:
    """What the command says, in one line, where it does not serve."""
    address = ("--endpoint", "http://127.0.0.1:1/v1", "--port", "0")
    result = CliRunner().invoke(cli, ["serve", str(files.front), *address, *options])
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_what_cannot_be_routed_is_one_message(learned: Files, tmp_path: Path) -> None:
    profile = ("--profile", str(learned.profile))
    queries = ("--queries", str(learned.informative))
    world = learned.world
    few = write_queries(tmp_path / "few.jsonl", world.ids[:30], world.informative[:30])
    others = write_queries(tmp_path / "others.jsonl", ["x", "y"], ["1", "2"])
    unlike = write_queries(tmp_path / "unlike.jsonl", world.ids, world.informative, "question")
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{")
    bad = tmp_path / "bad.csv"
    bad.write_text("sub_agent,model\nsolves,small\n")
    for options, words in (
        (queries, "--queries says nothing without --profile"),
        (("--prices", "p.csv"), "--prices says nothing without --profile"),
        (("--profile", str(tmp_path / "none.csv")), "none.csv"),
        (("--profile", str(bad)), "bad.csv"),
        ((*profile, "--queries", str(tmp_path / "none.jsonl")), "none.jsonl"),
        ((*profile, "--queries", str(broken)), "not JSON"),
        ((*profile, "--queries", str(unlike)), 'no field "task"'),
        ((*profile, "--queries", str(few)), "to show a loss of at most 0.02 takes 100 or more"),
        ((*profile, "--queries", str(others)), "0 of 2 queries are among the observations"),
        ((*profile, *queries, "--tolerance", "0"), "give --tolerance above 0"),
    ):
        said = serve(learned, *options)
        assert words in said
        assert "at http" not in said


def test_a_front_of_one_point_leaves_nothing_to_route(learned: Files) -> None:
    compiled = read_compiled(learned.front, wanted=Wanted(tolerance=TOLERANCE, routed=True))
    alone = replace(compiled, others=())
    observed = read_observed(str(learned.profile), None, 0)
    with pytest.raises(ServingError, match="nothing to route"):
        learned_routing(alone, observed, read_data(learned.informative), TOLERANCE)


def test_only_routing_opens_what_is_less_accurate_on_average(learned: Files) -> None:
    kept = read_compiled(learned.front)
    assert [row.choices[0].model for row in kept.every] == ["large"]
    routed = read_compiled(learned.front, wanted=Wanted(routed=True))
    assert [row.choices[0].model for row in routed.rows] == ["large"]
    assert [row.choices[0].model for row in routed.others] == ["small"]
    alone = read_compiled(learned.front, wanted=Wanted(tolerance=None, routed=True))
    assert alone.every == routed.every


@st.composite
def rows_with_some(draw: st.DrawFn) -> tuple[np.ndarray, list[list[bool]]]:
    levels = draw(st.integers(1, 4))
    row = st.tuples(*[st.integers(0, 3)] * levels)
    rows = draw(st.lists(row, min_size=1, max_size=40))
    mask = st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))
    return np.array(rows), draw(st.lists(mask, min_size=1, max_size=4))


@given(rows_with_some())
@settings(max_examples=some(200), deadline=None)
def test_subsets_are_the_sets_of_their_rows(drawn: tuple[np.ndarray, list[list[bool]]]) -> None:
    rows, masks = drawn
    stages = [str(number) for number in range(rows.shape[1])]
    found = Subsets(stages, rows)
    for mask in [*masks, *masks]:
        kept = np.array(mask)
        if kept.any():
            assert found.of(kept) == ConfigurationSet.of(stages, rows[kept].tolist())
        else:
            with pytest.raises(ServingError, match="empty"):
                found.of(kept)


def test_errors_of_widths_are_those_of_leaving_each_out() -> None:
    draw = np.random.default_rng(0)
    features, losses = draw.standard_normal((9, 2)), draw.standard_normal((3, 9))
    scaled = features / features.std(axis=0)
    for width, found in zip(WIDTHS, errors(features, losses), strict=True):
        squares = []
        for q in range(9):
            rest = [r for r in range(9) if r != q]
            distance = np.array([((scaled[q] - scaled[r]) ** 2).sum() for r in rest])
            weight = np.exp(-(distance - distance.min()) / (2 * width**2))
            predicted = losses[:, rest] @ weight / weight.sum()
            squares.append((predicted - losses[:, q]) ** 2)
        assert found.mean() == pytest.approx(np.mean(squares))


def test_features_that_tell_are_looked_at_closely_and_others_are_not() -> None:
    draw = np.random.default_rng(1)
    telling, noise = draw.standard_normal((2, 200, 1))
    losses = (telling.T > 0).astype(float)
    number, width = best([noise, telling], losses)
    assert number == 1
    assert width < 1.0
    assert best([noise], losses) == (0, WIDTHS[-1])


@pytest.mark.parametrize("inputs", [{"a": "one", "b": [1, {"y": 2, "x": "ü"}]}])
def test_the_text_of_a_request_has_its_inputs_in_order(inputs: dict[str, Any]) -> None:
    assert text_of(inputs, ["a"]) == "one"
    both = text_of(inputs, ["b", "a"])
    assert both.endswith("\none")
    assert both == text_of({"b": [1, {"x": "ü", "y": 2}], "a": "one"}, ["b", "a"])


def test_features_are_length_and_components() -> None:
    texts = ["planets and stars", "stars of the sky", "bread and butter", "butter, flour, bread"]
    found = features_of(hashing, texts)
    seen = found.of(texts)
    assert seen[:, 0] == pytest.approx(np.log1p([len(one) for one in texts]))
    distances = ((seen[:, None, 1:] - seen[None, :, 1:]) ** 2).sum(axis=-1)
    assert max(distances[0, 1], distances[2, 3]) < min(distances[0, 2], distances[1, 3])
    assert found.first(0).of(texts) == pytest.approx(seen[:, :1])
    assert found.first(2).of(texts) == pytest.approx(seen[:, :3])
    assert features_of(None, texts).of(texts) == pytest.approx(seen[:, :1])


def test_an_embedder_that_is_waited_for() -> None:
    async def embedder(texts: Sequence[str]) -> Any:
        return hashing(texts)

    texts = ["one two", "three four", "five"]
    waited = features_of(waited_for(embedder), texts).of(texts)
    assert waited == pytest.approx(features_of(hashing, texts).of(texts))
