"""A simulated provider of a run whose configurations are chosen call by call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowir.configuration import Configuration
from flowir.runtime.llm import Message
from flowir.sim.provider import SimulatedAnswer, SimulatedProvider
from flowir.sim.simulation import Simulation

Simulations = Callable[[tuple[int, ...]], Simulation]
"""The simulation of one workflow under any settings, one index per decision."""


class FollowingProvider(SimulatedProvider):
    """A provider that takes the configuration of a decision from the last call made for it.

    So rates of checkers and labels are those of the configurations that the run has really had.
    """

    def __init__(
        self, simulations: Simulations, settings: Sequence[int], scenario: int, sample: int = 0
    ) -> None:
        """
        Args:
            settings: of decisions that no call has been made for.

        Raises:
            SimulationError: no such scenario.
        """
        self._simulations, self._settings = simulations, tuple(settings)
        super().__init__(simulations(self._settings), scenario, sample)

    def begin(
        self, node: str, messages: list[Message], model: str, params: Mapping[str, Any]
    ) -> SimulatedAnswer:
        """As :meth:`SimulatedProvider.begin`, under what the call asks for.

        Raises:
            SimulationError: the workflow has no such site or configuration.
        """
        role = self._simulation.roles.sites.get(node)
        if role is not None:
            known = self._simulation.workflow.decisions[role.decision].configurations
            place = next((i for i, c in enumerate(known) if _asked_for(c, model, params)), None)
            if place is not None and place != self._settings[role.decision]:
                settings = list(self._settings)
                settings[role.decision] = place
                self._settings = tuple(settings)
                self.follow(self._simulations(self._settings))
        return super().begin(node, messages, model, params)


def _asked_for(known: Configuration, model: str, params: Mapping[str, Any]) -> bool:
    sampling = {name: value for name, value in params.items() if name != "budget"}
    same = (known.model, known.budget) == (model, params.get("budget"))
    return same and dict(known.params) == sampling
