"""A model that judges runs: how it asks, where its calls are kept, and what they may cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flowir.evaluation.bounds import HEADROOM
from flowir.evaluation.programs import Ran, RunOf
from flowir.executors.executor import Service
from flowir.profile.calls import CallStore
from flowir.profiler.asking import Answered, Question, ServedModels
from flowir.profiler.caller import Caller
from flowir.profiler.data import Record
from flowir.profiler.judges import Case, Judge
from flowir.profiler.lanes import Lane
from flowir.profiler.limits import Limits
from flowir.profiler.model_judge import ModelJudge

SUFFIX = ".judge"
"""Of the file beside the store of runs that has the calls of a model that judges."""


@contextmanager
def judged_by_model(
    judge: Judge,
    path: str | Path,
    service: Service[RunOf | Question, Ran | Answered],
    limits: Limits,
    *,
    concurrency: int,
    retries: int,
    timeout_s: float,
    secrets: tuple[str, ...],
) -> Iterator[Callable[[], None]]:
    """Lets a model judge ask through the service, its calls stored beside the store of runs.

    Gives what overwrites the texts of its calls, for when all is judged. Any other judge is let
    alone.

    Raises:
        ProfileError: the file is no store, or in use.
    """
    if not isinstance(judge, ModelJudge):
        yield lambda: None
        return
    path = Path(path)
    with CallStore(path.with_name(path.name + SUFFIX), "hash") as store:
        limits.count(store.calls.values())

        async def ask(question: Question) -> Answered:
            answer = await service(question)
            assert isinstance(answer, Answered)
            return answer

        model = judge.configuration.model
        lanes = {model: Lane(model, concurrency)}
        judge.caller = Caller(
            ServedModels(ask), store, lanes, limits, limits.prices, retries, timeout_s, secrets
        )
        yield store.forget_texts


def verdict_usd(judge: Judge, limits: Limits, record: Record) -> float:
    """US dollars that the verdict on a run of a query is taken to cost; 0 of a judge that only
    computes."""
    if not isinstance(judge, ModelJudge) or judge.caller is None:
        return 0.0
    costs = [call.cost_usd or 0.0 for call in judge.caller.store.calls.values()]
    if costs:
        return HEADROOM * max(costs)
    messages = judge.messages(Case("", record.expected, record.fields))
    return limits.most_usd("judge", judge.configuration, messages)
