"""Simulated tools: checkers give verdicts, routers write labels, all others pass their text on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from flowir.sim.draws import Draws
from flowir.sim.marks import as_items, find_all, texts
from flowir.sim.roles import ToolRole
from flowir.sim.simulation import Simulation, require

Tool = Callable[..., Coroutine[Any, Any, object]]


class SimulatedTools(Mapping[str, Tool]):
    """The tools of one run, by symbol; a symbol the calculus does not know passes text on."""

    def __init__(self, simulation: Simulation, scenario: int, draws: Draws) -> None:
        self._simulation = simulation
        self._scenario = scenario
        self._draws = draws
        self._tools: dict[str, Tool] = {}

    def follow(self, simulation: Simulation) -> None:
        """Go on under other settings of the same workflow."""
        self._simulation = simulation

    def __getitem__(self, name: str) -> Tool:
        if (known := self._tools.get(name)) is not None:
            return known
        role = self._simulation.roles.tools.get(name, ToolRole())

        async def tool(*arguments: object, **named: object) -> object:
            return await self._run(name, role, (*arguments, *named.values()))

        return self._tools.setdefault(name, tool)

    def __iter__(self) -> Iterator[str]:
        return iter(self._simulation.roles.tools)

    def __len__(self) -> int:
        return len(self._simulation.roles.tools)

    async def _run(self, name: str, role: ToolRole, arguments: tuple[object, ...]) -> object:
        draw = self._draws.next(f"@{name}", "\0".join(texts(arguments)))
        if role.latency_s > 0:
            await asyncio.sleep(role.latency_s)
        if role.checker is not None:
            marks = find_all(arguments[-1])
            require(role.judged, marks, f"what checker @{name} judges", arguments[-1])
            right = role.judged.right(marks)
            return self._simulation.accepts(role.checker, right, self._scenario, draw)
        if role.event is not None:
            states = role.event.states
            return self._simulation.label(f"@{name}", states, self._scenario, draw)
        passed = _passed_on(arguments)
        if role.items is None or isinstance(passed, list):
            return passed
        return as_items(str(passed), role.items)


def _passed_on(arguments: Sequence[object]) -> object:
    """What a tool that does nothing gives: the arguments that carry marks, else the last one."""
    marked = [argument for argument in arguments if find_all(argument)]
    if len(marked) == 1:
        return marked[0]
    if marked:
        return "\n".join(text for argument in marked for text in texts(argument))
    return arguments[-1] if arguments else ""
