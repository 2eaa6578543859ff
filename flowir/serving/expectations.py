"""What is expected of each stage: first by rule of thumb, then by what calls have taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowir.configuration import Configuration
from flowir.serving.compiled import Compiled, Row
from flowir.serving.requests import Choice, ServedWorkflow, Stage
from flowir.serving.sets import ConfigurationSet

FIRST_OUTPUT_TOKENS = 256.0
FIRST_INPUT_TOKENS = 512.0
"""Before any call has ended."""

MEMORY = 0.05
"""Weight of the newest call in running means."""

RENEWED_EVERY = 64
"""Calls, until new requests are planned with what was learned."""


@dataclass
class Expectations:
    """The workflow as schedulers know it, kept up to date.

    Attributes:
        configurations: per stage, by number of choice.
        workflow: for requests that come now.
    """

    compiled: Compiled
    configurations: Mapping[str, tuple[Configuration, ...]] = field(init=False)
    workflow: ServedWorkflow = field(init=False)
    _numbers: dict[str, dict[Configuration, int]] = field(init=False)
    _read: dict[str, float] = field(default_factory=dict)
    _written: dict[tuple[str, int], float] = field(default_factory=dict)
    _noticed: int = 0

    def __post_init__(self) -> None:
        found: dict[str, dict[Configuration, int]] = {stage: {} for stage in self.compiled.stages}
        for row in self.compiled.rows:
            for stage, chosen in zip(found, row.choices, strict=True):
                found[stage].setdefault(chosen, len(found[stage]))
        self._numbers = found
        self.configurations = {stage: tuple(chosen) for stage, chosen in found.items()}
        self._renew()

    def set_of(self, rows: Iterable[Row]) -> ConfigurationSet:
        """The set of some rows."""
        numbers = [
            [
                self._numbers[stage][chosen]
                for stage, chosen in zip(self._numbers, row.choices, strict=True)
            ]
            for row in rows
        ]
        return ConfigurationSet.of(tuple(self._numbers), numbers)

    def noticed(self, stage: str, choice: int, read: int, written: int) -> None:
        """A call was answered."""
        if read:
            self._read[stage] = _moved(self._read.get(stage), read)
        if written:
            key = (stage, choice)
            self._written[key] = _moved(self._written.get(key), written)
        self._noticed += 1
        if self._noticed % RENEWED_EVERY == 0:
            self._renew()

    def _renew(self) -> None:
        self.workflow = ServedWorkflow(
            self.compiled.name,
            tuple(
                Stage(
                    stage,
                    tuple(
                        self._choice(stage, number, chosen)
                        for number, chosen in enumerate(self.configurations[stage])
                    ),
                    after,
                    self._read.get(stage, FIRST_INPUT_TOKENS),
                )
                for stage, after in self.compiled.stages.items()
            ),
        )

    def _choice(self, stage: str, number: int, chosen: Configuration) -> Choice:
        read = round(self._read.get(stage, FIRST_INPUT_TOKENS))
        written = self._written.get((stage, number), FIRST_OUTPUT_TOKENS)
        dollars = self.compiled.dollars(chosen.model, read, round(written))
        return Choice(chosen.model, written, dollars or 0.0)


def _moved(mean: float | None, value: float) -> float:
    return float(value) if mean is None else mean + MEMORY * (value - mean)
