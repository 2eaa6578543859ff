"""The workflows of `examples/teola`, through the compiler: lowered, and optimised by `teola`.

Sizes are those of the benchmark where they have a name: prompts begin with an instruction, answers
are as long, documents as many. Every model is the large one, and the window of a map is the file's.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from statistics import fmean

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin
from xdsl.parser import Parser

from benchmarks.figures import Figures
from benchmarks.prim_load import HIGH, Runs
from benchmarks.prim_workflows import Settings
from flowir.dialects import flow, prim
from flowir.dialects.dse import Dse
from flowir.engines.defaults import DEFAULT_ENGINES
from flowir.engines.engine import BatchEngine, Engine
from flowir.passes.pipelines import TEOLA
from flowir.prim.from_ir import find_graph, primitive_graph, tool_engines
from flowir.prim.graph import PrimitiveGraph
from flowir.prim.sizes import text_tokens
from flowir.scheduling.policies import EARLY_WHEN_IDLE, PER_INVOCATION, Policy
from flowir.sim.bounds import query_bounds
from flowir.sim.primitives import Arrival, simulate_primitives
from flowir.universe import FLOWIR_UNIVERSE

EXAMPLES = ("se_generation", "naive_rag", "advanced_rag", "contextual_retrieval")

LOWERING = ("flow-inline", "lower-flow-to-prim")
"""What comes before the passes on primitives."""


@dataclass(frozen=True)
class Compiled:
    """A workflow in the order of its modules, optimised, and the engines it runs on."""

    before: PrimitiveGraph
    after: PrimitiveGraph
    engines: Mapping[str, Engine]


def sized(text: str, settings: Settings) -> str:
    """The file with the benchmark's sizes."""
    word = "instruction "
    instruction = word * round(settings.instruction / text_tokens(word))
    chunks = settings.chunks
    window = chunks * (1 + settings.neighbours) * settings.chunk
    text = re.sub(r'(flow\.agent @(?:answer|refine|combine|synthesize) prompt ")',
                  lambda found: found[1] + instruction, text)  # fmt: skip
    text = re.sub(r"(@(?:answer|refine|combine|synthesize) prompt .*\s.*#prim.size<tokens = )\d+",
                  lambda found: f"{found[1]}{settings.answer}", text)  # fmt: skip
    text = re.sub(r"(prim.answer = #prim.size<items = 3, tokens = )\d+",
                  lambda found: f"{found[1]}{3 * settings.expanded}", text)  # fmt: skip
    text = re.sub(r"documents = #prim.size<items = \d+, tokens = \d+>",
                  f"documents = #prim.size<items = {chunks}, tokens = {chunks * settings.chunk}>",
                  text)  # fmt: skip
    result = f"prim.result = #prim.size<items = {chunks}, tokens = {window}>"
    return re.sub(r"prim.result = #prim.size<items = \d+, tokens = \d+>", result, text)


def compiled(name: str, settings: Settings) -> Compiled:
    """Read, lower and optimise one."""
    text = (resources.files("flowir.examples.teola") / f"{name}.mlir").read_text(encoding="utf-8")
    context = Context()
    for dialect in (Builtin, flow.Flow, Dse, prim.PrimDialect):
        context.load_dialect(dialect)
    module = Parser(context, sized(text, settings)).parse_module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of engines that are estimated like others
        for step in LOWERING:
            FLOWIR_UNIVERSE.all_passes[step]()().apply(context, module)
        before = primitive_graph(find_graph(module))
        for step in TEOLA[len(LOWERING) :]:
            FLOWIR_UNIVERSE.all_passes[step]()().apply(context, module)
    graph = find_graph(module)
    engines = {**DEFAULT_ENGINES, **tool_engines(graph)}
    return Compiled(before, primitive_graph(graph), engines)


def through_the_compiler(figures: Figures, runs: Runs) -> None:
    """Each alone, and at a high rate."""
    for name in EXAMPLES:
        made = compiled(name, runs.settings)
        figures.heading(
            f"{name} through the compiler, {len(made.before.nodes)} primitives, optimised "
            f"{len(made.after.nodes)}; answers of {runs.settings.answer}"
        )
        labels = {node: next(iter(odds)) for node, odds in made.after.odds.items()}
        once = {node: next(iter(odds)) for node, odds in made.before.odds.items()}
        before = _mean(made, made.before, PER_INVOCATION, [0.0], 0, once)
        after = _mean(made, made.after, EARLY_WHEN_IDLE, [0.0], 0, labels)
        bound = query_bounds(made.after, made.engines, labels).latency_s
        figures.add(f"{name}, compiled, one query: over sequential", before / after, "×",
                    at_least=0.99, note=f"{before:.3f} s to {after:.3f} s")  # fmt: skip
        figures.add(f"{name}, compiled, one query: over the lower bound", after / bound, "×",
                    at_most=1.1 if name == "se_generation" else 1.2)  # fmt: skip
        rate = HIGH * _capacity(made)
        found: dict[str, list[float]] = {"before": [], "after": []}
        for seed in runs.seeds:
            times = runs.times("Poisson", rate, seed)
            found["before"].append(_mean(made, made.before, PER_INVOCATION, times, seed))
            found["after"].append(_mean(made, made.after, EARLY_WHEN_IDLE, times, seed))
        figures.add(f"{name}, compiled, Poisson, high: over sequential, per-invocation batching",
                    fmean(found["before"]) / fmean(found["after"]), "×", at_least=0.99,
                    note=f"{rate:.2f} queries a second")  # fmt: skip


def _mean(
    made: Compiled,
    graph: PrimitiveGraph,
    policy: Policy,
    times: list[float],
    seed: int,
    labels: Mapping[int, str] | None = None,
) -> float:
    arrivals = [Arrival(i, at, graph, labels or {}) for i, at in enumerate(times)]
    return simulate_primitives(arrivals, made.engines, policy, seed=seed).mean_latency_s


def _capacity(made: Compiled) -> float:
    burst = [Arrival(i, 0.0, made.before) for i in range(60)]
    run = simulate_primitives(burst, made.engines, PER_INVOCATION)
    busiest = 0.0
    for name, seconds in run.busy_s.items():
        engine = made.engines[name]
        busiest = max(busiest, seconds / (engine.slots if isinstance(engine, BatchEngine) else 1))
    return len(burst) / busiest
