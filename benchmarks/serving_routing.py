"""What routing costs in accuracy: on synthetic queries, and on real answers of real models."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figures
from flowir.serving.calibration import calibrate, lost, routed
from flowir.serving.routing import Classifier, Kernel, Nearest, Router, Uniform
from flowir.sim.serving.workload import MIX, SELF_REFINE, TEXT_TO_SQL, VOTING, difficulties, keeps

Floats = npt.NDArray[np.float64]

TOLERANCE = 0.02
QUERIES = 4500


@dataclass(frozen=True, eq=False)
class Answered:
    """Queries that every configuration answered.

    Attributes:
        stages, rows, strength: of configurations, as a router has them.
        features: [Q, F].
        right: [C, Q] 0..1.
    """

    stages: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    strength: Floats
    features: Floats
    right: Floats
    reference: int


def routing(figures: Figures, data: Path | None, seed: int) -> None:
    """Held-out accuracy lost for a tolerance of 2 %."""
    figures.heading(
        f"Routing: accuracy lost by the weakest configuration left open, tolerance {TOLERANCE:g}. "
        "A third of the queries each to know, to calibrate, to test. Synthetic queries."
    )
    for workflow in (SELF_REFINE, TEXT_TO_SQL, VOTING):
        _figures(
            figures, workflow.name, synthetic(workflow.name, QUERIES, seed), seed, simulated=True
        )
    if data is None:
        print("no --data: real answers (reasoning_gym_eval) are left out")
        return
    figures.heading(
        "The same of real answers to reasoning_gym (hard); features: length and task family."
    )
    answered = reasoning_gym(data)
    print(f"  {len(answered.rows)} models, {len(answered.features)} questions")
    _figures(figures, "reasoning_gym", answered, seed, simulated=False)


def _figures(
    figures: Figures, name: str, answered: Answered, seed: int, *, simulated: bool
) -> None:
    order = np.random.default_rng([seed, 5]).permutation(len(answered.features))
    known, calibration, test = np.array_split(order, 3)
    classifiers: dict[str, Classifier] = {
        "kernel": Kernel(answered.features[known]),
        "nearest 20": Nearest(answered.features[known], 20),
        "per workflow": Uniform(len(known)),
    }
    for kind, classifier in classifiers.items():
        router = Router(
            answered.stages, answered.rows, answered.strength, answered.right[:, known],
            classifier, answered.reference,
        )  # fmt: skip
        found = calibrate(
            router, answered.features[calibration], answered.right[:, calibration], TOLERANCE
        )
        begin = time.perf_counter()
        kept = routed(found.router, answered.features[test])
        taken = (time.perf_counter() - begin) / len(test)
        losses = lost(found.router, kept, answered.right[:, test])
        reference = answered.right[answered.reference, test].mean()
        error = float(losses.std() / len(losses) ** 0.5)
        figures.add(
            f"{name}, {kind}: accuracy lost", float(losses.mean()),
            at_most=TOLERANCE, simulated=simulated,
            note=f"± {error:.3f}; reference right {reference:.3f}; "
            f"{kept.mean():.0%} of configurations open; {1e3 * taken:.2f} ms a request",
        )  # fmt: skip


def synthetic(name: str, queries: int, seed: int) -> Answered:
    """Queries of the difficulty model; the feature is the difficulty, blurred by as much again.

    Queries that even the reference fails are wrong with everything.
    """
    workflow = next(w for w in (SELF_REFINE, TEXT_TO_SQL, VOTING) if w.name == name)
    rng = np.random.default_rng([seed, 13])
    rows = np.array(list(workflow.every()), dtype=np.int64)
    found = [difficulties(MIX, len(workflow.stages), rng) for _ in range(queries)]
    right = np.array(
        [
            [needs is not None and keeps(workflow, needs, row) for _, needs in found]
            for row in rows.tolist()
        ],
        dtype=float,
    )
    features = np.array([[shared + rng.standard_normal()] for shared, _ in found])
    return Answered(workflow.names, rows, rows.astype(float), features, right, len(rows) - 1)


def reasoning_gym(folder: Path) -> Answered:
    """One answer of each model to the hard questions that all models answered.

    A model is as strong as it is often right on a third of the questions. A question's features
    are its length and the family of its task, as an embedding would tell families apart.
    """
    import pyarrow.parquet as parquet

    table = parquet.read_table(
        folder / "reasoning_gym_eval" / "completions.parquet",
        columns=["level", "model", "dataset", "q_hash", "sample", "score", "question_chars"],
        filters=[("level", "=", "hard"), ("sample", "=", 0)],
    ).to_pydict()
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    about: dict[str, tuple[str, int]] = {}
    for model, family, query, score, length in zip(
        table["model"], table["dataset"], table["q_hash"], table["score"],
        table["question_chars"], strict=True,
    ):  # fmt: skip
        scores[model][query] = float(score > 0.99)
        about[query] = family, length
    most = max(len(found) for found in scores.values())
    models = sorted(model for model, found in scores.items() if len(found) > 0.9 * most)
    queries = sorted(q for q in about if all(q in scores[model] for model in models))
    right = np.array([[scores[model][q] for q in queries] for model in models])
    families = sorted({family for family, _ in about.values()})
    features = np.zeros((len(queries), 1 + len(families)))
    for number, query in enumerate(queries):
        family, length = about[query]
        features[number, 0] = np.log(length)
        features[number, 1 + families.index(family)] = 1.0
    strength = right[:, ::3].mean(axis=1)[:, None]
    rows = np.arange(len(models))[:, None]
    return Answered(("model",), rows, strength, features, right, int(strength.argmax()))
