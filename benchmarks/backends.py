"""What emitted files cost beside what a person would write by hand.

    python -m benchmarks.backends [--quick] [--seed N] [--json FILE]

Models answer at once, so that only the code around the calls takes time: CPU time, the median
of several turns that alternate. Supersteps are measured on the virtual clock, where LangGraph
itself takes no time, and two chains on the real one as well.
"""

from __future__ import annotations

import asyncio
import operator
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, Send
from typing_extensions import TypedDict

from benchmarks.figures import Figures, arguments, write_json
from flowir.backends.asyncio.emit import emit as emit_asyncio
from flowir.backends.langgraph.emit import emit as emit_langgraph
from tests.backends.running import load
from tests.backends.test_langgraph_timing import (
    Constructs,
    chains,
    measured,
    predicted,
    random_calls,
)
from tests.strategies_ir import parse

AGENT = 'flow.agent @a prompt "{t}" space <models = ["m"]>\n'
ONE = ": (!flow.text) -> !flow.text"
STEPS, WIDTH, ROUNDS = 6, 5, 4


class Usage(NamedTuple):
    input_tokens: int = 1
    output_tokens: int = 1


class Answer(NamedTuple):
    text: str
    usage: Usage = Usage()
    model: str = "m"


ANSWER = Answer("x")


async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Answer:
    return ANSWER


async def ask(site: str, text: str) -> str:
    """What a node written by hand does: one call."""
    answer = await llm(site, [{"role": "user", "content": text}], model="m")
    return answer.text


class State(TypedDict, total=False):
    t: Any
    x: str
    rounds: int
    parts: Annotated[list[tuple[int, str]], operator.add]
    v0: str
    v1: str
    v2: str
    v3: str
    v4: str
    result: Any


def chain_text(calls: int) -> str:
    lines = [f"  %v{i} = flow.call @a({f'%v{i - 1}' if i else '%t'}) {ONE}" for i in range(calls)]
    return _workflow(lines, f"%v{calls - 1}")


def _workflow(lines: Sequence[str], result: str, taken: str = "!flow.text", gives: str = "") -> str:
    gives = gives or "!flow.text"
    head = f"flow.workflow @w(%t: {taken}) -> {gives} {{"
    return AGENT + "\n".join([head, *lines, f"  flow.return {result} : {gives}", "}"])


def _chain() -> Any:
    builder = StateGraph(State)
    for i in range(STEPS):

        async def node(state: State, i: int = i) -> State:
            return {"x": await ask(f"v{i}", state["x"] if i else state["t"])}

        builder.add_node(f"n{i}", node)
        builder.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    builder.add_edge(f"n{STEPS - 1}", END)
    return builder.compile()


def _fan() -> Any:
    builder = StateGraph(State)
    for i in range(WIDTH):

        async def node(state: State, i: int = i) -> Any:
            return {f"v{i}": await ask(f"v{i}", state["t"])}

        builder.add_node(f"n{i}", node)
        builder.add_edge(START, f"n{i}")

    async def join(state: Any) -> State:
        return {"result": "\n\n".join(state[f"v{i}"] for i in range(WIDTH))}

    builder.add_node("join", join)
    builder.add_edge([f"n{i}" for i in range(WIDTH)], "join")
    builder.add_edge("join", END)
    return builder.compile()


def _loop() -> Any:
    builder = StateGraph(State)

    async def draft(state: State) -> State:
        return {"x": await ask("draft", state["t"]), "rounds": 0}

    async def check(state: State) -> Command[str]:
        if state["rounds"] == ROUNDS or await ask("check", state["x"]) == "ACCEPT":
            return Command(goto=END)
        return Command(update={"rounds": state["rounds"] + 1}, goto="fix")

    async def fix(state: State) -> State:
        return {"x": await ask("fix", state["x"])}

    for name, node in (("draft", draft), ("check", check), ("fix", fix)):
        builder.add_node(name, node)
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "check")
    builder.add_edge("fix", "check")
    return builder.compile()


def _map() -> Any:
    builder = StateGraph(State)

    async def out(state: State) -> list[Send]:
        return [Send("one", {"index": i, "t": t}) for i, t in enumerate(state["t"])]

    async def one(state: Any) -> State:
        return {"parts": [(state["index"], await ask("one", state["t"]))]}

    async def gather(state: State) -> Any:
        return {"result": [x for _, x in sorted(state["parts"])], "parts": Overwrite([])}

    builder.add_node("one", one)
    builder.add_node("gather", gather)
    builder.add_conditional_edges(START, out, ["one"])
    builder.add_edge("one", "gather")
    builder.add_edge("gather", END)
    return builder.compile()


def shapes() -> dict[str, tuple[str, Callable[[], Any], Any]]:
    """For each shape the workflow, the graph by hand, and the input."""
    fan = [f"  %v{i} = flow.call @a(%t) {ONE}" for i in range(WIDTH)]
    values = ", ".join(f"%v{i}" for i in range(WIDTH))
    kinds = ", ".join(["!flow.text"] * WIDTH)
    fan.append(f"  %all = flow.join concat({values}) : ({kinds}) -> !flow.text")
    loop = [
        f"  %draft = flow.call @a(%t) {ONE}",
        f"  %kept = flow.refine(%v, %f) from %draft : !flow.text max {ROUNDS} until @a {{",
        f"    %fix = flow.call @a(%v) {ONE}",
        "    flow.yield %fix : !flow.text",
        "  }",
    ]
    texts = "!flow.list<!flow.text>"
    each = [
        f"  %all = flow.map(%x) in %t : {texts} max 8 -> {texts} {{",
        f"    %one = flow.call @a(%x) {ONE}",
        "    flow.yield %one : !flow.text",
        "  }",
    ]
    return {
        f"chain of {STEPS}": (chain_text(STEPS), _chain, "t"),
        f"{WIDTH} beside each other, joined": (_workflow(fan, "%all"), _fan, "t"),
        f"loop of {ROUNDS} rounds": (_workflow(loop, "%kept"), _loop, "t"),
        "map of 8": (_workflow(each, "%all", texts, texts), _map, ["t"] * 8),
    }


def cpu_seconds(
    runs: Sequence[Callable[[], Coroutine[Any, Any, Any]]], repeats: int, times: int
) -> list[float]:
    """Median CPU seconds of one run of each, in turns, after one that does not count."""

    async def measure() -> list[float]:
        taken: list[list[float]] = [[] for _ in runs]
        for turn in range(repeats + 1):
            for run, found in zip(runs, taken, strict=True):
                start = time.process_time()
                for _ in range(times):
                    await run()
                if turn:
                    found.append((time.process_time() - start) / times)
        return [statistics.median(found) for found in taken]

    return asyncio.run(measure())


def asyncio_overhead(figures: Figures, repeats: int) -> None:
    figures.heading("asyncio: CPU time per call beside a bare chain of awaits")
    # LangChain imports OpenTelemetry, and then files make spans, even where nobody records them.
    tracing = sys.modules.pop("opentelemetry.trace", None)
    _overhead(figures, repeats, "", 20)
    if tracing is not None:
        sys.modules["opentelemetry.trace"] = tracing
        _overhead(figures, repeats, ", OpenTelemetry imported", None)


def _overhead(figures: Figures, repeats: int, how: str, at_most: float | None) -> None:
    for calls in (10, 100, 1000):
        file = load(emit_asyncio(parse(chain_text(calls))), "chain")

        async def bare(calls: int = calls) -> None:
            for _ in range(calls):
                await ask("v", "t")

        async def emitted(file: ModuleType = file) -> None:
            await file.run({"t": "t"}, llm=llm)

        plain, ours = cpu_seconds([bare, emitted], repeats, max(1, 200 // calls))
        value = (ours - plain) / calls * 1e6
        figures.add(f"overhead of a call, {calls} in a chain{how}", value, "us", at_most=at_most)


def langgraph_overhead(figures: Figures, repeats: int) -> None:
    figures.heading("LangGraph: CPU time of the emitted graph over one written by hand")
    for name, (text, by_hand, given) in shapes().items():
        file, graph = load(emit_langgraph(parse(text)), "shape"), by_hand()

        async def emitted(file: ModuleType = file, given: Any = given) -> None:
            await file.run({"t": given}, llm=llm)

        async def written(graph: Any = graph, given: Any = given) -> None:
            await graph.ainvoke({"t": given})

        plain, ours = cpu_seconds([written, emitted], repeats, 10)
        figures.add(f"{name}: emitted over by hand", ours / plain, "×", at_most=1.2)


def import_time(figures: Figures, repeats: int) -> None:
    figures.heading("Importing an emitted asyncio file")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "emitted.py").write_text(emit_asyncio(parse(chain_text(10))))
        sides: list[list[float]] = [[], []]
        modules = ("asyncio, argparse, json, dataclasses", "emitted")
        for turn in range(repeats + 1):
            for wanted, found in zip(modules, sides, strict=True):
                command = [
                    sys.executable,
                    "-c",
                    f"import {wanted}; import time; print(time.process_time())",
                ]
                done = subprocess.run(
                    command, cwd=folder, capture_output=True, text=True, check=True
                )
                if turn:
                    found.append(float(done.stdout))
    base, ours = (statistics.median(found) for found in sides)
    figures.add("import over asyncio, argparse, json, dataclasses", ours / base, "×", at_most=1.3)


def supersteps(figures: Figures, seed: int, samples: int) -> None:
    figures.heading("LangGraph's supersteps: predicted over measured, on the virtual clock")

    def error(module: Any, fuse: bool) -> float:
        found = measured(load(emit_langgraph(module, fuse=fuse), "timed"))
        return abs(predicted(module, "asyncio" if fuse else "langgraph") / found - 1) * 100

    for fuse, how in ((False, "every call a node"), (True, "fused")):
        seconds = measured(load(emit_langgraph(chains(), fuse=fuse), "timed"))
        figures.add(f"two chains of 0.1 + 0.4 s, {how}: measured", seconds, "s", simulated=True)
        worst = error(chains(), fuse)
        figures.add(f"two chains, {how}: error", worst, "%", at_most=5, simulated=True)
        draw = random.Random(seed)
        worst = max(error(random_calls(draw, draw.randint(1, 12)), fuse) for _ in range(samples))
        name = f"{samples} random graphs of calls, {how}: largest error"
        figures.add(name, worst, "%", at_most=5, simulated=True)
        worst = max(error(Constructs(seed + i).module(), fuse) for i in range(samples))
        name = f"{samples} random branches, loops, maps, {how}: largest error"
        figures.add(name, worst, "%", at_most=5, simulated=True)


def real_clock(figures: Figures, repeats: int) -> None:
    figures.heading(
        "Two chains of 0.1 + 0.4 s on the real clock; what LangGraph itself takes is in it"
    )
    sides = {
        "asyncio": ("asyncio", emit_asyncio(chains())),
        "LangGraph, fused": ("asyncio", emit_langgraph(chains())),
        "LangGraph, every call a node": ("langgraph", emit_langgraph(chains(), fuse=False)),
    }
    files = {how: load(text, "timed") for how, (_, text) in sides.items()}
    found: dict[str, list[float]] = {how: [] for how in sides}
    for turn in range(repeats + 1):
        for how, file in files.items():
            seconds = measured(file, asyncio.run)
            if turn:
                found[how].append(seconds)
    for how, (execution, _) in sides.items():
        seconds = statistics.median(found[how])
        figures.add(f"{how}: measured", seconds, "s")
        error = (seconds / predicted(chains(), execution) - 1) * 100
        figures.add(f"{how}: measured over predicted", error, "%", at_most=5)


def main() -> None:
    asked = arguments(__doc__).parse_args()
    figures = Figures()
    repeats = 7 if asked.quick else 15
    asyncio_overhead(figures, repeats)
    langgraph_overhead(figures, repeats)
    import_time(figures, repeats)
    supersteps(figures, asked.seed, 20 if asked.quick else 100)
    real_clock(figures, 3 if asked.quick else 9)
    if asked.json:
        write_json(figures.found, asked.json)


if __name__ == "__main__":
    main()
