"""A synthetic world: easy and hard queries, what two models answered, and a front of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowir.configuration import Configuration
from flowir.profile.observations import Observation, Observations, observations_of
from tests.serving_fronts import Known, write_front

ONE_STAGE = """
flow.agent @solves prompt "{task}" space <models = ["small", "large"]> baseline <"large">
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %end = flow.call @solves(%task) : (!flow.text) -> !flow.text
  flow.return %end : !flow.text
}
"""
POINTS = (Known(("large",), 0.97, 3e-4), Known(("small",), 0.6, 2e-5))

CHANCE = {("large", True): 0.98, ("large", False): 0.98, ("small", True): 0.98} | {
    ("small", False): 0.25
}
"""Of being right, by model and whether the query is easy."""

WRITTEN = {"small": 40.0, "large": 90.0}
READ = 60.0


def text(easy: bool, draw: np.random.Generator) -> str:
    """An easy query is short; what it says is the same for all."""
    words = ["what", "is", "the", "sum", "of", "all", "these", "numbers"]
    count = int(draw.integers(6, 12) if easy else draw.integers(30, 60))
    return " ".join(words[draw.integers(len(words))] for _ in range(count))


@dataclass(frozen=True)
class World:
    """Queries with what was observed on them.

    Attributes:
        easy: [Q] whether.
        informative: texts that show it by their length.
        useless: texts that show nothing.
    """

    ids: tuple[str, ...]
    easy: tuple[bool, ...]
    informative: tuple[str, ...]
    useless: tuple[str, ...]
    observations: Observations


def world(queries: int, seed: int) -> World:
    """Each model has answered each query once."""
    draw = np.random.default_rng(seed)
    easy = tuple(bool(x) for x in draw.random(queries) < 0.5)
    ids = tuple(f"q{number:04}" for number in range(queries))
    rows = [
        Observation(
            "solves",
            Configuration(model),
            query,
            correct=float(draw.random() < CHANCE[model, is_easy]),
            input_tokens=READ,
            output_tokens=float(np.exp(np.log(WRITTEN[model]) + 0.1 * draw.standard_normal())),
        )
        for query, is_easy in zip(ids, easy, strict=True)
        for model in ("small", "large")
    ]
    informative = tuple(text(one, draw) for one in easy)
    useless = tuple(text(bool(draw.random() < 0.5), draw) for _ in easy)
    return World(ids, easy, informative, useless, observations_of(rows))


def write_queries(path: Path, ids: Sequence[str], texts: Sequence[str], name: str = "task") -> Path:
    """A file of queries as `flowir profile --data` reads it."""
    rows = (json.dumps({"id": i, name: text}) for i, text in zip(ids, texts, strict=True))
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def write_profile(path: Path, observations: Observations) -> Path:
    """Observations as CSV."""
    names = ("sub_agent", "model", "query_id", "correct", "input_tokens", "output_tokens")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in observations.rows():
            model = row.configuration.model
            numbers = (row.correct, row.input_tokens, row.output_tokens)
            writer.writerow([row.agent, model, row.query, *map(repr, numbers)])
    return path


def front(path: Path) -> Path:
    """The large model, which is asked for, and the small one, which is less right on average."""
    return write_front(path, POINTS, ONE_STAGE)
