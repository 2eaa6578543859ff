"""Runs of an emitted file as jobs: who runs it may be another process than who keeps account."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from flowir.executors.executor import Service
from flowir.profiler.asking import Answered, Client, Question, answered
from flowir.profiler.tools import import_tools
from flowir.runtime.emitted import loaded
from flowir.runtime.llm import LLM, Tools
from flowir.runtime.secrets import keys, without

WRONG = ("AnswerError", "JoinerError", "ReplanLimitError")
"""Ends that are the model's doing: nothing a workflow can go on with. They count as wrong."""


@dataclass(frozen=True)
class RunOf:
    """A run: the number of a point, and the inputs by name."""

    point: int
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Ran:
    """How a run ended.

    Attributes:
        failed: why, where it failed for reasons of the environment; empty else.
        wrong: it ended in something that the workflow cannot go on with; there is no value then.
        seconds: from the start to the end, where it ran.
        cancelled: requests cut short.
    """

    value: Any = None
    failed: str = ""
    wrong: bool = False
    seconds: float = 0.0
    cost_usd: float | None = None
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cancelled: int = 0


@dataclass(frozen=True)
class Programs:
    """The recipe of a service that runs an emitted file, and answers questions of a judge.

    Attributes:
        source: the file.
        tools: where the functions of its tools are, by name: `module:function`.
        retries: how often one request is repeated.
        call_timeout: seconds for one request.
    """

    source: str
    client: Client
    tools: Mapping[str, str]
    retries: int = 3
    call_timeout: float | None = None

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Service[RunOf | Question, Ran | Answered]]:
        """The service; its model client lives as long as the context.

        Raises:
            ProfilerError: a tool cannot be imported.
        """
        program, tools = loaded(self.source), import_tools(self.tools)
        async with self.client() as llm:

            async def do(job: RunOf | Question) -> Ran | Answered:
                if isinstance(job, Question):
                    return await answered(llm, job)
                return await self._run(program, job, llm, tools)

            yield do

    async def _run(self, program: ModuleType, job: RunOf, llm: LLM, tools: Tools) -> Ran:
        start = time.perf_counter()
        try:
            result = await program.run(
                job.inputs,
                point=job.point,
                llm=llm,
                tools=tools,
                retries=self.retries,
                call_timeout=self.call_timeout,
            )
        except program.WorkflowError as error:
            if type(error).__name__ not in WRONG:
                reason = str(error) or type(error).__name__
                return Ran(failed=without(reason, keys()))
            return _ended(None, time.perf_counter() - start, error.usage, wrong=True)
        return _ended(result.value, result.seconds, result.usage)


def _ended(value: Any, seconds: float, usage: Any, *, wrong: bool = False) -> Ran:
    return Ran(
        value,
        "",
        wrong,
        seconds,
        usage.cost_usd,
        usage.calls,
        usage.input_tokens,
        usage.output_tokens,
        usage.cancelled,
    )
