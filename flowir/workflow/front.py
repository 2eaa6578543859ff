"""The front of a traced workflow, and one point of it that runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from types import ModuleType
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from flowir.calculus.from_ir import find_workflow
from flowir.errors import WorkflowError
from flowir.runtime.llm import LLM
from flowir.search.annotate import front_from_ir
from flowir.search.front import QUANTITY, Front, words
from flowir.search.table import header, rows
from flowir.workflow.display import ShownModule

Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class WorkflowFront:
    """The Pareto front of a workflow, with the IR it is written in."""

    module: ModuleOp
    name: str
    tools: Functions

    @cached_property
    def front(self) -> Front:
        """The points, with all that is known of them."""
        return front_from_ir(find_workflow(self.module, self.name))

    def __len__(self) -> int:
        return len(self.front.points)

    def to_ir(self) -> ShownModule:
        """The workflow with the front written into it."""
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

    def table(self) -> Any:
        """A pandas data frame of `rows` where pandas is installed, else `rows`."""
        try:
            import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError:
            return self.rows()
        return pandas.DataFrame(self.rows()).set_index("point")

    def plot(self, x: str = "latency_s", y: str = "accuracy") -> Any:
        """The points with their intervals, as matplotlib axes.

        Raises:
            WorkflowError: matplotlib is missing, or a quantity that was not estimated.
        """
        try:
            from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise WorkflowError(
                "plot needs matplotlib; install it with: pip install 'flowir[report]'"
            ) from None
        points = self.front.points
        for name in (x, y):
            if any(name not in point.estimates for point in points):
                known = ", ".join(QUANTITY.values())
                raise WorkflowError(f"plot: {name} was not estimated; choose among {known}")
        axes = Figure().add_subplot()
        for point in points:
            across, up = point.estimates[x], point.estimates[y]
            axes.errorbar(
                across.mean,
                up.mean,
                xerr=[[across.mean - across.low], [across.high - across.mean]],
                yerr=[[up.mean - up.low], [up.high - up.mean]],
                fmt="s" if point.baseline else "o",
                color="tab:orange" if point.baseline else "tab:blue",
            )
        axes.set(xlabel=x, ylabel=y, title=f"Pareto front of {self.name}")
        return axes

    def select(self, **which: Any) -> Compiled:
        """One point: `point`, `prefer`, `max_latency`, `min_accuracy`, `max_cost`.

        Raises:
            SelectionError: no point is meant by that.
        """
        from flowir.passes.flow_select import FlowSelect

        module = self.module.clone()
        try:
            selecting = FlowSelect(workflow=self.name, **which)
        except TypeError as error:
            raise WorkflowError(f"select: {error}") from None
        selecting.apply(Context(), module)
        return Compiled(module, self.name, self.tools)

    def _repr_html_(self) -> str:
        def line(tag: str, row: Any) -> str:
            cells = [v for v in asdict(row).values() if isinstance(v, str)]
            return "<tr>" + "".join(f"<{tag}>{escape(v)}</{tag}>" for v in cells) + "</tr>"

        body = "".join(line("td", row) for row in rows(self.front))
        return f"<table>{line('th', header(self.front))}{body}</table>"


@dataclass(frozen=True, eq=False)
class Compiled:
    """A workflow compiled to one point of its front."""

    module: ModuleOp
    name: str
    tools: Functions

    def to_ir(self) -> ShownModule:
        """The compiled workflow."""
        return ShownModule(self.module.clone())

    def to_python(self) -> str:
        """The asyncio file of the compiled workflow."""
        from flowir.backends.asyncio.emit import emit

        return emit(self.module, self.name)

    @cached_property
    def _program(self) -> ModuleType:
        """The emitted file, imported; dataclasses look for their module while it is."""
        program = ModuleType(f"flowir_compiled_{id(self)}")
        sys.modules[program.__name__] = program
        try:
            exec(compile(self.to_python(), f"<{self.name}>", "exec"), program.__dict__)
        finally:
            del sys.modules[program.__name__]
        return program

    async def run(self, *, llm: LLM, **inputs: Any) -> Any:
        """One run, by the emitted file; gives its result, whose `value` is the workflow's."""
        return await self._program.run(inputs, llm=llm, tools=self.tools)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.to_ir()._repr_mimebundle_()
