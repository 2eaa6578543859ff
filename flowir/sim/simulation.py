"""What a simulation is of: a workflow, the configurations in force, and scenarios that fit them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.calculus.rows import Quantity
from flowir.calculus.scenarios import Array, Scenarios
from flowir.calculus.terms import Checker, Workflow
from flowir.configuration import Configuration
from flowir.errors import SimulationError
from flowir.sim.draws import Draw
from flowir.sim.marks import Mark, find_all
from flowir.sim.rates import Rates, checker_rates, rates_in_force
from flowir.sim.reading import Reading
from flowir.sim.roles import Judges, Role, Roles, Routes, roles_of

OTHER_LABEL = "simulated_other_label"


@dataclass(frozen=True)
class Simulation:
    """A specialised workflow with its configurations and scenarios, checked and ready to run.

    Attributes:
        settings: for each decision, the index of the configuration in force.
        seed: all randomness depends on it.
        parsers: for each agent, how its answer is read ("text" unless given; "lines" where a map
            goes through it): answers are written to be read so.
        roles: what every site and tool is for.
        rates: by decision, None where the workflow does not use it.
        verdicts: by checker, [S] acceptance of right and of wrong values.
        labels: by routing site, or by @tool, the probability of each state of the label.

    Raises:
        SimulationError: settings or scenarios that do not fit the workflow.
        CalculusError: the rates of a checker are not known.
    """

    workflow: Workflow
    settings: Sequence[int]
    scenarios: Scenarios
    seed: int = 0
    parsers: Mapping[str, str] = field(default_factory=dict)
    roles: Roles = field(init=False)
    rates: tuple[Rates | None, ...] = field(init=False)
    verdicts: Mapping[Checker, tuple[Array, Array]] = field(init=False)
    labels: Mapping[str, tuple[Quantity, ...]] = field(init=False)

    def __post_init__(self) -> None:
        workflow, settings, scenarios = self.workflow, self.settings, self.scenarios
        roles = roles_of(workflow)
        checkers = {role.checker for role in roles.sites.values() if isinstance(role, Judges)}
        checkers |= {tool.checker for tool in roles.tools.values() if tool.checker is not None}
        found = {
            "roles": roles,
            "rates": rates_in_force(workflow, settings, scenarios),
            "verdicts": {c: checker_rates(workflow, settings, scenarios, c) for c in checkers},
            "labels": _label_probabilities(roles, settings, scenarios),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def rightness(self, value: object) -> float:
        """1 if the workflow's result is right, 0 if wrong; the share of right items of a mean map.

        Raises:
            SimulationError: the result carries no mark of the answers it must be made of.
        """
        reading = self.roles.result
        if self.roles.mean and isinstance(value, list | tuple):
            marks = [find_all(item) for item in value]
            return sum(map(reading.right, marks)) / len(marks) if marks else 1.0
        found = find_all(value)
        require(reading, found, f"the result of workflow {self.workflow.name}", value)
        return float(reading.right(found))

    def role(self, site: str, model: str, params: Mapping[str, Any]) -> Role:
        """The role of a site that asks for this model.

        Raises:
            SimulationError: the workflow has no such site, or model, budget or a sampling
                parameter is another than the settings say.
        """
        role = self.roles.sites.get(site)
        if role is None:
            known = ", ".join(sorted(self.roles.sites)) or "nowhere"
            raise SimulationError(
                f"site {site!r}: workflow {self.workflow.name} calls a model only at {known}; "
                "simulate the workflow, and the choices, that the code was emitted from"
            )
        wanted = self._configuration(role.decision)
        if model != wanted.model:
            raise _other_configuration(site, model, wanted)
        budget = [("budget", wanted.budget)]
        for name, value in [*budget, *wanted.params]:
            if params.get(name) != value:
                raise _other_configuration(site, f"{name} {params.get(name)}", wanted)
        return role

    def accepts(self, checker: Checker, right: bool, scenario: int, draw: Draw) -> bool:
        """Whether a checker accepts a right, or a wrong, value; each verdict is drawn anew."""
        accept_right, accept_wrong = self.verdicts[checker]
        rate = accept_right[scenario] if right else accept_wrong[scenario]
        return bool(draw.uniform(Draw.CORRECT) < rate)

    def label(self, writer: str, states: Sequence[str | None], scenario: int, draw: Draw) -> str:
        """A label of a routing site or @tool; one no branch names where it falls to `else`."""
        known = self.labels[writer]
        chances = [p if isinstance(p, float) else float(p[scenario]) for p in known]
        at = draw.uniform(Draw.CORRECT)
        # The last state also takes what rounding leaves of the sum.
        ends = zip(states, itertools.accumulate(chances), strict=True)
        state = next((state for state, end in ends if at < end), states[-1])
        return OTHER_LABEL if state is None else state

    def _configuration(self, decision: int) -> Configuration:
        return self.workflow.decisions[decision].configurations[self.settings[decision]]


def require(reading: Reading, marks: Sequence[Mark], where: str, shown: object) -> None:
    """Raise SimulationError where a text lacks the mark of an answer it must contain."""
    if reading.missing(marks) is not None:
        raise SimulationError(
            f"{where} lacks an answer it must contain: {str(shown)[:200]!r}; every operand belongs "
            "into the prompt, and parsers and tools must keep the text"
        )


def _other_configuration(site: str, asked: str, wanted: Configuration) -> SimulationError:
    return SimulationError(
        f"site {site!r}: the code asks for {asked}, the settings say {wanted}; simulate the point "
        "that the code runs"
    )


def _label_probabilities(
    roles: Roles, settings: Sequence[int], scenarios: Scenarios
) -> dict[str, tuple[Quantity, ...]]:
    """For each routing site, and each tool that writes labels, the probability of each state."""
    found: dict[str, tuple[Quantity, ...]] = {}
    for site, role in roles.sites.items():
        if isinstance(role, Routes):
            row = settings[role.decision]
            states = role.event.probabilities(scenarios.calls[role.decision].labels)
            found[site] = tuple(p if isinstance(p, float) else p[row] for p in states)
    for name, tool in roles.tools.items():
        if tool.event is not None:
            found[f"@{name}"] = tool.event.probabilities({})
    return found
