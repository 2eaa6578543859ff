"""How a front came about, as a dictionary of literals: what the IR and JSON hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from xdsl.dialects.builtin import DictionaryAttr

from flowir.dialects.literals import literal, literal_value
from flowir.errors import SearchError
from flowir.profile.prices import Price
from flowir.search.front import Facts

_LISTS = {
    "assumptions": "assumption",
    "warnings": "warning",
    "prices": "price",
    "rules": "rule",
}
"""Facts of several texts, and the stem of the numbered entries that hold them."""

_WORDS = ("objectives", "limits")
"""Facts of several words, in one entry."""


def facts_attribute(facts: Facts, points: int) -> DictionaryAttr:
    """One entry per fact; texts as `assumption_1`, …; what is not known is left out.

    Args:
        points: how many points, the first ones, are the front; others are dominated.
    """
    entries: dict[str, int | float | str] = {}
    for field in fields(facts):
        value = getattr(facts, field.name)
        if field.name in _LISTS:
            stem = _LISTS[field.name]
            if field.name == "prices":
                value = price_texts(value)
            entries |= {f"{stem}_{i}": sentence for i, sentence in enumerate(value, start=1)}
        elif field.name in _WORDS:
            if value:
                entries[field.name] = ", ".join(value)
        elif value is not None and value != "":
            entries[field.name] = value
    entries["points"] = points
    return DictionaryAttr({name: literal(value) for name, value in entries.items()})


def facts_of(attribute: DictionaryAttr, where: str) -> tuple[Facts, int]:
    """The facts, and how many points are the front: the inverse of `facts_attribute`.

    Raises:
        SearchError: a fact is missing or unknown.
    """
    entries = {name: literal_value(value) for name, value in attribute.data.items()}  # type: ignore[arg-type]
    values: dict[str, Any] = {"space": None}
    for name, stem in _LISTS.items():
        numbered = [key for key in entries if key.startswith(f"{stem}_")]
        numbered.sort(key=lambda key: int(key.rpartition("_")[2]))
        values[name] = tuple(entries.pop(key) for key in numbered)
    values["prices"] = read_prices(values["prices"], where)
    for name in _WORDS:
        if name in entries:
            values[name] = tuple(str(entries.pop(name)).split(", "))
    values |= entries
    points = values.pop("points", 0)
    try:
        return Facts(**values), int(points)
    except TypeError as error:
        raise SearchError(
            f"{where}: the facts of its front are not those this version writes ({error}); "
            "run flow-dse again"
        ) from None


def price_texts(prices: Iterable[tuple[str, Price]]) -> list[str]:
    """One text per model: `gpt-4-0613 30.0 60.0`, US dollars per million input, output tokens."""
    return [f"{model} {p.input_per_mtok!r} {p.output_per_mtok!r}" for model, p in prices]


def read_prices(texts: Sequence[object], where: str) -> tuple[tuple[str, Price], ...]:
    """The inverse of `price_texts`; a name may have spaces in it.

    Raises:
        SearchError: a text that is no price.
    """
    found = []
    for text in texts:
        model, *amounts = str(text).rsplit(" ", 2)
        try:
            given, taken = map(float, amounts)
        except ValueError:
            raise SearchError(
                f'{where}: "{text}" is no price; it is a model and US dollars per million input '
                "and output tokens"
            ) from None
        found.append((model, Price(given, taken)))
    return tuple(found)
