"""What composing must know of a workflow beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Literal

from flowir.calculus.labels import LabelEvent, label_events
from flowir.calculus.terms import (
    Alternatives,
    Branch,
    Map,
    Plan,
    Refine,
    Term,
    Value,
    Workflow,
    walk,
)
from flowir.calculus.writers import writers
from flowir.search.exact.calls import Calls
from flowir.search.exact.columns import Array, Axis
from flowir.search.exact.dominance import Sense
from flowir.search.exact.effects import Effect, effects
from flowir.search.exact.entangled import EntangledError, labels_entangled, writer_open
from flowir.search.exact.graph import Graph, form, graph
from flowir.search.exact.partial import Key
from flowir.search.exact.shared import fewest_reads

Keys = frozenset[Key]

NO_MARKS: frozenset[str] = frozenset()
ALL_MARKS = frozenset(("agreement", "tokens", "label"))


class Facts:
    """Facts about the values of one workflow.

    Args:
        success: whether accuracy is an objective.

    Attributes:
        root: the values of its body.
        labels: the label event of every value that a branch reads.

    Raises:
        EntangledError: its structures can only be composed one by one.
    """

    def __init__(self, workflow: Workflow, calls: Calls, *, success: bool) -> None:
        self.workflow = workflow
        self.labels: Mapping[Value, LabelEvent] = label_events(workflow.body)
        self._open = bool(workflow.structures)
        if self._open and labels_entangled(workflow.body):
            raise EntangledError
        self._calls = calls
        self._effects = effects(workflow.body, calls, success)
        self._writers = writers(workflow.body)
        self.root = graph(workflow.body, partial(self.behind, marks=ALL_MARKS))
        self.arguments = (*workflow.body.arguments, *self.root.free)
        self._certain: set[Value] = set(self.arguments)
        self._refined: set[Value] = set()
        self._items: dict[Value, Value] = {}
        self._terms = {term.output: term for term in walk(workflow.body)}
        for term in self._terms.values():
            self._note_arguments(term)
        self._branches = Counter(t.label for t in self._terms.values() if isinstance(t, Branch))
        self._forms: dict[object, int] = {}
        self._form_of: dict[tuple[Graph, Value, bool], int] = {}

    # ── Right or wrong ──────────────────────────────────────────────────────────────────────────

    def right(self, value: Value) -> Axis | None:
        """The event that a value is right; None if it surely is."""
        while value in self._items:
            value = self._items[value]
        return None if value in self._certain else Axis(value, "right")

    def effect(self, value: Value) -> Effect:
        """How success, and what is spent, answer to a value's rightness."""
        return self._effects.get(value, Effect())

    def sense(self, value: Value) -> Sense:
        """How options for a value compare by rightness."""
        return self.effect(value).sense

    def conditioned(self, axis: Axis) -> bool:
        """Whether the calculus conditions a region on an event from outside it."""
        if axis.aspect == "right" and axis.value in self._refined:
            return True
        return self._reads.get((axis.aspect, axis.value), 0) > 1

    # ── What else is read of a value ────────────────────────────────────────────────────────────

    def behind(self, value: Value, marks: frozenset[str]) -> Keys:
        """The choices that marks of a value depend on."""
        found: set[Key] = set()
        writer = self._writers.get(value)
        if writer is not None and marks & {"agreement", "tokens"}:
            found.add(writer)
        event = self.labels.get(value)
        if event is not None and event.router is not None and "label" in marks:
            found.add(event.router)
        return frozenset(found)

    def writer(self, value: Value) -> int | None:
        """The decision that wrote a value.

        Raises:
            EntangledError: structure decides which.
        """
        if self._open and writer_open(value, self._terms):
            raise EntangledError
        return self._writers.get(value)

    def agreement(self, value: Value) -> Array | None:
        """[n] P(a wrong answer is the common one), for each setting of the value's writer."""
        return self._calls.agreement(self.writer(value))

    def tokens(self, value: Value) -> Array | None:
        """[n] expected tokens of a value, for each setting of its writer; None if nobody pays."""
        return self._calls.tokens(self.writer(value))

    def known(self, mark: Literal["agreement", "tokens"], value: Value) -> frozenset[str]:
        """The mark, if it is known of a value in some structure."""
        term = self._terms.get(value)
        if isinstance(term, Alternatives):
            return NO_MARKS.union(*(self.known(mark, case.result) for _, case in term.cases))
        rate = self.agreement(value) if mark == "agreement" else self.tokens(value)
        return NO_MARKS if rate is None else frozenset((mark,))

    def given_label(self, value: Value) -> bool:
        """Whether a label is an argument that only one branch reads."""
        return value not in self._terms and self._branches[value] == 1

    # ── Values alike ────────────────────────────────────────────────────────────────────────────

    def form(self, block: Graph, value: Value, deep: bool = False) -> int:
        """The number of all values of the same options; if `deep`, of blocks alike too."""
        known = (block, value, deep)
        if known not in self._form_of:
            found = form(block, value, lambda read: self.form(block, read, deep), deep=deep)
            self._form_of[known] = self._forms.setdefault(found, len(self._forms))
        return self._form_of[known]

    def alike(self, block: Graph, values: Sequence[Value]) -> list[list[Value]]:
        """The values that are merged into their reader, those with the same options together."""
        folded = [value for value in dict.fromkeys(values) if value in block.folded]
        if len(folded) < 2:
            return [folded] if folded else []
        groups: dict[int, list[Value]] = {}
        for value in folded:
            groups.setdefault(self.form(block, value, deep=True), []).append(value)
        return list(groups.values())

    # ── Preparation ─────────────────────────────────────────────────────────────────────────────

    def _note_arguments(self, term: Term) -> None:
        """What the arguments of an inner block are right with."""
        if isinstance(term, Refine):
            self._refined.update(term.body.arguments[:1])
            self._certain.update(term.body.arguments[1:])
        if isinstance(term, Plan):
            self._certain.update(term.planner.arguments)
            self._refined.update(term.joiner.arguments)
        if isinstance(term, Map):
            self._items.update(dict.fromkeys(term.body.arguments, term.source))

    @cached_property
    def _reads(self) -> Mapping[tuple[str, Value], int]:
        return fewest_reads(self.workflow.body)
