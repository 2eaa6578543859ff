"""The measured data the cost model is checked against, as observations and measured outcomes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flowir.configuration import Configuration
from flowir.profile import Observation, Observations, merge, observations_of, read_observations

Floats = npt.NDArray[np.float64]

FIRST_STAGE = Configuration("CodeLlama-34b-Instruct-hf")


@dataclass(frozen=True)
class MeasuredRun:
    """One workflow executed on all tasks, `runs` times: means per run."""

    accuracy: Floats
    calls: Floats
    latency_s: Floats
    first_latency_s: float


@dataclass(frozen=True)
class HumanEval:
    """Single calls, and the workflows that were really run."""

    profile: Observations
    retry: dict[str, MeasuredRun]
    cascade: MeasuredRun


def human_eval(folder: Path) -> HumanEval:
    """agent-evals on HumanEval; the cascade's first stage joins the profile."""
    folder = folder / "agent_evals_humaneval"
    profile = read_observations(folder / "profile_single_call.csv")
    workflows = _rows(folder / "measured_workflows.csv")
    calls = _rows(folder / "measured_workflow_calls.csv")
    solved = {
        (row["run"], row["task_id"]): float(row["is_solved"])
        for row in workflows
        if row["strategy"] == "simple_boosting"
    }
    first_stage = [
        Observation(
            "coder",
            FIRST_STAGE,
            call["task_id"],
            call["run"],
            correct=solved[call["run"], call["task_id"]] if call["is_last"] == "True" else 0.0,
            latency_s=float(call["latency_s"]),
        )
        for call in calls
        if call["strategy"] == "simple_boosting" and call["call_idx"] == "0"
    ]
    retry = {}
    for model in ("gpt-3.5-turbo-0613", "gpt-4-0613"):
        name = f"{model}-5repeats-no-temp-incr"
        retry[model] = _measured(workflows, calls, "simple_repeat", name)
    cascade = _measured(workflows, calls, "simple_boosting", FIRST_STAGE.model)
    return HumanEval(merge([profile, observations_of(first_stage)]), retry, cascade)


def _measured(
    workflows: Iterable[dict[str, str]],
    calls: Iterable[dict[str, str]],
    strategy: str,
    config: str,
) -> MeasuredRun:
    runs: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for row in workflows:
        if (row["strategy"], row["config"]) == (strategy, config):
            values = (row["is_solved"], row["n_calls"], row["sum_latency_s"])
            runs[row["run"]].append((float(values[0]), float(values[1]), float(values[2])))
    means = np.array([np.mean(rows, axis=0) for rows in runs.values()])
    first = [
        float(call["latency_s"])
        for call in calls
        if (call["strategy"], call["config"], call["call_idx"]) == (strategy, config, "0")
    ]
    return MeasuredRun(means[:, 0], means[:, 1], means[:, 2], float(np.mean(first)))


@dataclass(frozen=True)
class Samples:
    """Ten answers per question and cell: the budget axis of concise chain-of-thought.

    Attributes:
        configurations: [C] (model, prompt style as budget).
        questions: [Q] those that every cell answered.
        answers: [C, Q, 10] labels.
        correct: [Q] the right label.
    """

    configurations: tuple[Configuration, ...]
    questions: tuple[str, ...]
    answers: npt.NDArray[np.str_]
    correct: npt.NDArray[np.str_]

    def observations(self, questions: npt.NDArray[np.int64], samples: int) -> Observations:
        """The first `samples` answers to the chosen questions."""
        return observations_of(
            Observation(
                "solver",
                configuration,
                self.questions[q],
                str(s),
                correct=float(self.answers[c, q, s] == self.correct[q]),
                answer=str(self.answers[c, q, s]),
            )
            for c, configuration in enumerate(self.configurations)
            for q in questions
            for s in range(samples)
        )

    def plurality(self, k: int) -> npt.NDArray[np.bool_]:
        """[C, Q] whether the plurality of the first k answers is right; ties to the earliest."""
        votes = self.answers[..., :k]
        counts = (votes[..., :, None] == votes[..., None, :]).sum(-1)
        first = np.argmax(counts, axis=-1)
        winner = np.take_along_axis(votes, first[..., None], axis=-1)[..., 0]
        return np.asarray(winner == self.correct)

    def majority(self, k: int) -> npt.NDArray[np.bool_]:
        """[C, Q] whether more than half of the first k answers are right."""
        right = self.answers[..., :k] == self.correct[:, None]
        return np.asarray(2 * right.sum(-1) > k)


def concise(folder: Path) -> Samples:
    """jhu-concise-cot."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(folder / "renze_concise_cot" / "samples.parquet").to_pydict()
    cells: dict[Configuration, dict[str, list[str]]] = defaultdict(dict)
    correct: dict[str, str] = {}
    for i, model in enumerate(table["model"]):
        question = f"{table['exam'][i]}/{table['problem_id'][i]}"
        answers = [str(table[f"a{s}"][i]) for s in range(1, 11)]
        cells[Configuration(model, table["prompt"][i])][question] = answers
        correct[question] = str(table["correct_answer"][i])
    configurations = tuple(sorted(cells, key=lambda c: c.sort_key))
    shared = set.intersection(*(set(cells[c]) for c in configurations))
    questions = tuple(sorted(shared))
    return Samples(
        configurations,
        questions,
        np.array([[cells[c][q] for q in questions] for c in configurations]),
        np.array([correct[q] for q in questions]),
    )


@dataclass(frozen=True)
class Questions:
    """One sample per model and question, right or wrong; NaN where a model was not asked."""

    configurations: tuple[Configuration, ...]
    right: Floats

    def observations(self, questions: npt.NDArray[np.int64]) -> Observations:
        """What every model did on the chosen questions."""
        return observations_of(
            Observation("solver", configuration, f"q{q}", correct=float(self.right[c, q]))
            for c, configuration in enumerate(self.configurations)
            for q in questions
            if not np.isnan(self.right[c, q])
        )


def reasoning_gym(folder: Path) -> Questions:
    """reasoning-gym-eval, hard level, first sample, score above 0.99 as right."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(folder / "reasoning_gym_eval" / "completions.parquet").to_pydict()
    scores = {
        (model, question): float(score > 0.99)
        for level, model, question, sample, score in zip(
            *(table[name] for name in ("level", "model", "q_hash", "sample", "score")), strict=True
        )
        if level == "hard" and sample == 0
    }
    models = sorted({model for model, _ in scores})
    questions = sorted({question for _, question in scores})
    right = np.full((len(models), len(questions)), np.nan)
    place = {question: column for column, question in enumerate(questions)}
    for (model, question), value in scores.items():
        right[models.index(model), place[question]] = value
    return Questions(tuple(Configuration(model) for model in models), right)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
