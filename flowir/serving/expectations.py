"""What is expected of each stage: first by the cost model, then by what calls have taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowir.configuration import Configuration
from flowir.serving.compiled import Compiled, Row
from flowir.serving.requests import Choice, ServedWorkflow, Stage
from flowir.serving.sets import ConfigurationSet

FIRST_OUTPUT_TOKENS = 256.0
FIRST_INPUT_TOKENS = 512.0
"""Before any call has ended, where no observations say more."""

MEMORY = 0.05
"""Weight of the newest call in running means."""

RENEWED_EVERY = 64
"""Calls, until new requests are planned with what was learned."""


@dataclass(frozen=True)
class FirstTokens:
    """What one call is expected to take before any has ended.

    Attributes:
        read: by stage.
        written: by stage and configuration.
    """

    read: Mapping[str, float] = field(default_factory=dict)
    written: Mapping[tuple[str, Configuration], float] = field(default_factory=dict)


@dataclass
class Expectations:
    """The workflow as schedulers know it, kept up to date.

    Attributes:
        first: what is expected of calls that nothing is known of yet.
        configurations: per stage, by number of choice.
        workflow: for requests that come now.
    """

    compiled: Compiled
    first: FirstTokens = field(default_factory=FirstTokens)
    configurations: Mapping[str, tuple[Configuration, ...]] = field(init=False)
    workflow: ServedWorkflow = field(init=False)
    _numbers: dict[str, dict[Configuration, int]] = field(init=False)
    _read: dict[str, float] = field(default_factory=dict)
    _written: dict[tuple[str, int], float] = field(default_factory=dict)
    _noticed: int = 0

    def __post_init__(self) -> None:
        self._numbers, _ = self.compiled.numbered()
        self.configurations = {stage: tuple(chosen) for stage, chosen in self._numbers.items()}
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
                    self._reads(stage),
                )
                for stage, after in self.compiled.stages.items()
            ),
        )

    def _choice(self, stage: str, number: int, chosen: Configuration) -> Choice:
        read = round(self._reads(stage))
        first = self.first.written.get((stage, chosen), FIRST_OUTPUT_TOKENS)
        written = self._written.get((stage, number), first)
        dollars = self.compiled.dollars(chosen.model, read, round(written))
        return Choice(chosen.model, written, dollars or 0.0)

    def _reads(self, stage: str) -> float:
        return self._read.get(stage, self.first.read.get(stage, FIRST_INPUT_TOKENS))


def _moved(mean: float | None, value: float) -> float:
    return float(value) if mean is None else mean + MEMORY * (value - mean)
