"""What is decided about one sub-agent: its model, reasoning budget and sampling parameters."""

from __future__ import annotations

from dataclasses import dataclass

Budget = int | str | None
"""A token count, an effort label such as ``"high"``, or None where the model has no budget."""

Parameter = int | float | str | bool
"""The value of a sampling parameter."""


@dataclass(frozen=True, eq=False)
class Configuration:
    """One setting of a sub-agent.

    Equal to another of the same model, budget and parameters: 1 and 1.0 are one value, `True` is
    another, though Python has it equal to 1.

    Attributes:
        model: the provider's model name.
        budget: reasoning budget, see :data:`Budget`.
        params: sampling parameters as (name, value) pairs, sorted by name.
    """

    model: str
    budget: Budget = None
    params: tuple[tuple[str, Parameter], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", tuple(sorted(self.params)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Configuration):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[object, ...]:
        params = tuple((name, isinstance(value, bool), value) for name, value in self.params)
        return self.model, self.budget, params

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """A total order: by model, then no budget, token budgets by size, labels by name."""
        kind = 0 if self.budget is None else 1 if isinstance(self.budget, int) else 2
        tokens = self.budget if isinstance(self.budget, int) else 0
        label = self.budget if isinstance(self.budget, str) else ""
        return (self.model, kind, tokens, label, repr(self.params))

    def __str__(self) -> str:
        words = [self.model]
        if self.budget is not None:
            words.append(f"budget {self.budget}")
        words += [f"{name} {value}" for name, value in self.params]
        return ", ".join(words)
