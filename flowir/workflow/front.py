"""The front of a traced workflow, and one point of it that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import Field, asdict, dataclass
from functools import cached_property
from html import escape
from types import ModuleType
from typing import TYPE_CHECKING, Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.dialects import flow
from flowir.errors import WorkflowError, nearest
from flowir.runtime.llm import LLM, Tools
from flowir.search.annotate import front_from_ir
from flowir.search.front import Facts, Front, words
from flowir.search.observed import Observed, given_rates
from flowir.search.table import header, rows
from flowir.workflow.display import Graph, ShownModule
from flowir.workflow.options import checked, options_of
from flowir.workflow.places import placed_errors

if TYPE_CHECKING:
    from flowir.sim.simulate import Simulated

Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class WorkflowFront:
    """The Pareto front of a workflow, with the IR it is written in."""

    module: ModuleOp
    name: str
    tools: Functions
    observed: Observed

    @cached_property
    def front(self) -> Front:
        """The points, with all that is known of them."""
        return front_from_ir(find_workflow(self.module, self.name))

    def __len__(self) -> int:
        return len(self.front.points)

    def to_ir(self) -> ShownModule:
        """The workflow with the front written into it: the file that `flowir-opt` reads."""
        return ShownModule(self.module.clone())

    def rows(self) -> list[dict[str, Any]]:
        """One record per point: means and bounds of the intervals, and what it chooses."""
        found: list[dict[str, Any]] = []
        for number, point in enumerate(self.front.points):
            record: dict[str, Any] = {"point": number}
            for quantity, estimate in point.estimates.items():
                record[quantity] = estimate.mean
                record[f"{quantity}_low"] = estimate.low
                record[f"{quantity}_high"] = estimate.high
            record["p_non_dominated"] = point.p_non_dominated
            record["baseline"] = point.baseline
            record["configuration"] = words(self.front, point)
            found.append(record)
        return found

    def dataframe(self) -> Any:
        """The rows as a pandas data frame, by point.

        Raises:
            WorkflowError: pandas is missing.
        """
        try:
            import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError:
            raise WorkflowError(
                "dataframe() needs pandas; install flowir[notebook], or use rows()"
            ) from None
        return pandas.DataFrame(self.rows()).set_index("point")

    def plot(self, x: str = "latency_s", y: str = "accuracy", axes: Any = None) -> Any:
        """The points with their intervals, today's as a square, as matplotlib axes.

        Args:
            x, y: names of estimates, see `rows`.
            axes: to draw into; by default new ones, which a notebook shows.

        Raises:
            WorkflowError: matplotlib is missing, or a quantity that was not estimated.
        """
        known = list(self.front.points[0].estimates)
        for name in (x, y):
            if name not in known:
                raise WorkflowError(
                    f"plot: no estimate {name}{nearest(name, known)}; there are {', '.join(known)}"
                )
        if axes is None:
            try:
                from matplotlib import pyplot  # type: ignore[import-not-found, unused-ignore]
            except ImportError:
                raise WorkflowError("plot() needs matplotlib; install flowir[notebook]") from None
            axes = pyplot.subplots()[1]
        for number, point in enumerate(self.front.points):
            across, up = point.estimates[x], point.estimates[y]
            axes.errorbar(
                across.mean,
                up.mean,
                xerr=[[across.mean - across.low], [across.high - across.mean]],
                yerr=[[up.mean - up.low], [up.high - up.mean]],
                fmt="s" if point.baseline else "o",
                color="tab:orange" if point.baseline else "tab:blue",
            )
            axes.annotate(str(number), (across.mean, up.mean), (4, 4), textcoords="offset points")
        axes.set(xlabel=x, ylabel=y, title=f"Pareto front of {self.name}")
        return axes

    def select(self, **which: Any) -> Compiled:
        """One point: `point`, `prefer`, `max_latency`, `min_accuracy`, `max_cost`.

        Raises:
            SelectionError: no point is meant by that.
        """
        from flowir.passes.flow_select import FlowSelect

        module = self.module.clone()
        selecting = FlowSelect(workflow=self.name, **checked("select", which, options_to_select()))
        with placed_errors(module):
            selecting.apply(Context(), module)
        return Compiled(module, self.name, self.tools, self.observed, self.front.facts)

    def __str__(self) -> str:
        lines = self._cells()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        def line(tag: str, cells: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        titles, *body = self._cells()
        html = line("th", titles) + "".join(line("td", cells) for cells in body)
        return {"text/plain": str(self), "text/html": f"<table>{html}</table>"}

    def _cells(self) -> list[list[str]]:
        """The table as text: its header, then a line for every point."""
        return [
            [cell for cell in asdict(row).values() if isinstance(cell, str)]
            for row in (header(self.front), *rows(self.front))
        ]


@dataclass(frozen=True, eq=False)
class Compiled:
    """A workflow compiled to one point of its front."""

    module: ModuleOp
    name: str
    tools: Functions
    observed: Observed
    facts: Facts

    def to_ir(self) -> ShownModule:
        """The compiled workflow."""
        return ShownModule(self.module.clone())

    def to_python(self) -> str:
        """The asyncio file of the compiled workflow."""
        from flowir.backends.asyncio.emit import emit

        with placed_errors(self.module):
            return emit(self.module, self.name)

    def graph(self) -> Graph:
        """The compiled workflow as a drawing."""
        return self.to_ir().graph(self.name)

    @cached_property
    def _program(self) -> ModuleType:
        """The emitted file, imported."""
        from flowir.backends.asyncio.loading import load

        with placed_errors(self.module):
            return load(self.module, self.name)

    async def run(
        self,
        given: Mapping[str, Any] | None = None,
        /,
        *,
        llm: LLM,
        timeout: float | None = None,
        call_timeout: float | None = None,
        max_concurrency: int | asyncio.Semaphore | None = None,
        retries: int = 3,
        **inputs: Any,
    ) -> Any:
        """One run, by the emitted file; gives its result, whose `value` is the workflow's.

        Args:
            given: inputs by name, as `inputs`: for names that are also those of arguments.
            llm: the model client.
            timeout: seconds for the whole run.
            call_timeout: seconds for one request.
            max_concurrency: how many requests may be open at the same time, or a semaphore that
                several runs share.
            retries: how often a request that fails for a passing reason is repeated.

        Raises:
            Exception: `WorkflowError` of the emitted file: wrong inputs, a model or a tool that
                failed, or no result in time.
        """
        return await self._program.run(
            {**(given or {}), **inputs},
            llm=llm,
            tools=self.tools,
            timeout=timeout,
            call_timeout=call_timeout,
            max_concurrency=max_concurrency,
            retries=retries,
        )

    def simulate(self, *, samples: int = 1000, seed: int = 0, **inputs: Any) -> Simulated:
        """Runs of the emitted file on a simulated provider: no key, no network, virtual time.

        Answers, tokens and latency are drawn from the cost model that the front was made from; what
        comes out shows whether the file does what was predicted, and nothing of any real model.

        Args:
            samples: how many runs.
            inputs: of every run, by name.

        Raises:
            FlowirError: what cannot be simulated.
        """
        from flowir.sim.simulate import simulate

        terms = workflow_terms(find_workflow(self.module, self.name))
        source = self.observed.source(terms, given_rates(self.module), self.facts.queries)

        async def run_one(given: Mapping[str, object], llm: LLM, tools: Tools) -> object:
            return (await self._program.run(given, llm=llm, tools=tools)).value

        def simulated() -> Simulated:
            return simulate(
                run_one,
                terms,
                [0] * len(terms.decisions),
                source(self.facts.draws, self.facts.scenarios, self.facts.seed),
                inputs=inputs,
                parsers={
                    op.sym_name.data: op.parser.data
                    for op in self.module.walk()
                    if isinstance(op, flow.AgentOp) and op.parser is not None
                },
                samples=samples,
                seed=seed,
            )

        # A notebook has an event loop of its own, and the virtual clock is another.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(simulated).result()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {**self.graph()._repr_mimebundle_(), "text/plain": str(self.to_ir())}


def options_to_select() -> dict[str, Field[Any]]:
    """What `WorkflowFront.select` takes."""
    from flowir.passes.flow_select import FlowSelect

    return options_of(FlowSelect)
