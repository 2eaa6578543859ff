"""What the examples share: a question with its tools, a script or a live model, a command line."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowir.errors import FlowirError
from flowir.plan.signatures import Signature, signature_of
from flowir.plan.values import shown
from flowir.runtime.fetching import PlanTool
from flowir.runtime.llm import LLM, Message, answered
from flowir.runtime.replanning import Joiner, Planner, Request, Solution, solve
from flowir.sim.clock import run

SEARCH_S = 0.61
"""Seconds of a search: the mean that LLMCompiler publishes for Movie."""

PLANNER = """\
You plan calls of tools that answer the question. Write one call a line, numbered:

1. tool("argument", 2)
2. tool($1)
3. join()

$1 is the result of call 1, $1.price and $1[0] are parts of it. Calls that do not refer to each
other run at the same time. The last line is join(). Write nothing else.
"""

JOINER = """\
You are shown calls of tools and their results. If they answer the question, write

Action: Finish(the answer)

and if more calls are needed, write Action: Replan(what is missing). Write one line, nothing else.
"""


@dataclass(frozen=True)
class Example:
    """A question, its tools, and what a planner and a joiner say who know them.

    Attributes:
        plan: the text of the next plan.
        join: what the joiner says to what was observed.
    """

    name: str
    question: str
    tools: Mapping[str, PlanTool]
    plan: Callable[[Request], str]
    join: Callable[[Request], str]
    max_replans: int = 0


def search_in(pages: Mapping[str, str]) -> PlanTool:
    """A search that finds the page most of whose title's words the query has."""

    async def search(query: str) -> str:
        await asyncio.sleep(SEARCH_S)
        asked = _words(query)
        best = max(pages, key=lambda title: len(_words(title) & asked) / len(_words(title)))
        return pages[best] if _words(best) & asked else "nothing found"

    return PlanTool(tool_signature(search, "finds a page and gives its first sentence"), search)


def tool_signature(function: Callable[..., object], about: str) -> Signature:
    """The signature of a pure tool, with what it is for."""
    return replace(signature_of(function, pure=True), about=about)


def planner_messages(request: Request) -> list[Message]:
    """What a planner is asked."""
    asked = f"Tools:\n{request.tools}\n\nQuestion: {request.question}\n\n{request.for_planner}"
    return [{"role": "system", "content": PLANNER}, {"role": "user", "content": asked}]


def joiner_messages(request: Request) -> list[Message]:
    """What a joiner is asked."""
    asked = f"Question: {request.question}\n\n{request.for_joiner}"
    return [{"role": "system", "content": JOINER}, {"role": "user", "content": asked}]


def scripted(example: Example, line_s: float = 0.2) -> tuple[Planner, Joiner]:
    """A planner that takes some seconds for every line it writes, and a joiner; both know all."""

    async def planner(request: Request) -> AsyncIterator[str]:
        for line in example.plan(request).splitlines(keepends=True):
            await asyncio.sleep(line_s)
            yield line

    async def joiner(request: Request) -> str:
        await asyncio.sleep(line_s)
        return example.join(request)

    return planner, joiner


def live(llm: LLM, model: str) -> tuple[Planner, Joiner]:
    """A planner and a joiner of an endpoint."""

    async def pieces(node: str, messages: list[Message]) -> AsyncIterator[str]:
        async for piece in answered(llm, node, messages, model=model):
            if isinstance(piece, str):
                yield piece

    def planner(request: Request) -> AsyncIterator[str]:
        return pieces("planner", planner_messages(request))

    async def joiner(request: Request) -> str:
        return "".join([piece async for piece in pieces("joiner", joiner_messages(request))])

    return planner, joiner


async def ask(example: Example, planner: Planner, joiner: Joiner) -> Solution:
    """The answer, with every plan on the way to it."""
    return await solve(
        example.question,
        planner=planner,
        joiner=joiner,
        tools=example.tools,
        max_replans=example.max_replans,
    )


def main(example: Example, given: Sequence[str] | None = None) -> int:
    """Ask on the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=f"{example.name}: {example.question}")
    parser.add_argument("--live", metavar="MODEL", help="plan and join with this model")
    parser.add_argument(
        "--base-url",
        help="an OpenAI-compatible endpoint; OPENAI_BASE_URL or OpenAI's own if absent",
    )
    asked = parser.parse_args(given)
    try:
        if asked.live:
            solution = asyncio.run(_live(example, asked.live, asked.base_url))
        else:
            solution = run(ask(example, *scripted(example)))
    except FlowirError as error:
        print(f"error: {error}")
        return 1
    print(told(example, solution, "" if asked.live else " (simulated)"))
    return 0


async def _live(example: Example, model: str, base_url: str | None) -> Solution:
    from flowir.runtime.openai import OpenAIModels

    async with OpenAIModels(base_url=base_url, stream=True) as llm:
        return await ask(example, *live(llm, model))


def told(example: Example, solution: Solution, times: str) -> str:
    """Every call with its seconds, every decision, and the answer."""
    observations = [o for round_ in solution.rounds for o in round_.fetched.observations]
    begin = min((o.start_s for o in observations), default=0.0)
    lines = [example.question, ""]
    for round_ in solution.rounds:
        lines += [f"  {diagnostic}" for diagnostic in round_.fetched.diagnostics]
        for o in round_.fetched.observations:
            seconds = f"{o.start_s - begin:6.2f}–{o.end_s - begin:.2f} s{times}"
            lines.append(f"  {o.task.number:>3}. {o.task.tool:<9} {seconds}  {shown(o.value)[:70]}")
        if round_.decision.action == "replan":
            lines.append(f"  another plan: {round_.decision.text}")
    return "\n".join([*lines, "", solution.answer])


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
