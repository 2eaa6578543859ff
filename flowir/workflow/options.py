"""Keyword arguments as options of passes; observations and prices from files or from memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, fields
from os import PathLike, fspath
from typing import Any

from xdsl.passes import ModulePass

from flowir.errors import WorkflowError, nearest
from flowir.profile import (
    Observations,
    Price,
    Prices,
    observations_from_records,
    read_observations,
    read_prices,
)
from flowir.search.observed import Observed

Profile = str | PathLike[str] | Observations | Iterable[Mapping[str, Any]] | Any
"""A file of observations, observations, rows by column, or a pandas data frame of them."""

PriceList = str | PathLike[str] | Prices | Mapping[str, tuple[float, float]]
"""A file of prices, or US dollars per million input and output tokens, by model."""

_OURS = frozenset({"profile", "prices", "workflow"})


def options_of(made: type[ModulePass]) -> dict[str, Field[Any]]:
    """The options of a pass that are left to whoever calls."""
    return {f.name: f for f in fields(made) if f.name not in _OURS}


def checked(what: str, given: Mapping[str, Any], known: Mapping[str, Field[Any]]) -> dict[str, Any]:
    """The options given; where several words are meant, one or any sequence of them will do.

    Raises:
        WorkflowError: one that is not known, or a value of another kind.
    """
    found = dict(given)
    for name, value in given.items():
        if name not in known:
            raise WorkflowError(
                f"{what}: no option {name}{nearest(name, known)}; options: {', '.join(known)}"
            )
        kind = str(known[name].type)  # as it is written there
        words = (value,) if isinstance(value, str) else value
        if kind.startswith("tuple"):
            if not isinstance(words, Sequence) or not all(isinstance(w, str) for w in words):
                raise WorkflowError(f"{what}: {name}={value!r}; it takes words")
            found[name] = tuple(words)
        elif "str" not in kind and not _is_number(value) and not (value is None and "None" in kind):
            raise WorkflowError(f"{what}: {name}={value!r}; it takes a number")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def observed_of(profile: Profile, prices: PriceList | None, seed: int) -> Observed:
    """Observations and prices, wherever they are.

    Raises:
        ProfileError: they cannot be read.
        WorkflowError: neither files nor rows.
    """
    return Observed(_observations(profile), None if prices is None else _prices(prices), seed)


def _observations(profile: Profile) -> Observations:
    if isinstance(profile, Observations):
        return profile
    if isinstance(profile, str | PathLike):
        return read_observations(fspath(profile))
    rows: Any = profile.to_dict("records") if hasattr(profile, "to_dict") else profile
    if not isinstance(rows, Iterable):
        raise WorkflowError(
            f"profile is {profile!r}; give a file, rows by column, or a data frame of observations"
        )
    return observations_from_records(rows)


def _prices(prices: PriceList) -> Prices:
    if isinstance(prices, Prices):
        return prices
    if isinstance(prices, str | PathLike):
        return read_prices(fspath(prices))
    found: dict[str, Price] = {}
    for model, pair in prices.items():
        try:
            read, written = map(float, pair)
        except (TypeError, ValueError):
            read = written = math.nan
        if not (0 <= read < math.inf and 0 <= written < math.inf):
            raise WorkflowError(
                f"the price of {model} is {pair!r}; give US dollars per million tokens, "
                "(input, output)"
            )
        found[model] = Price(read, written)
    return Prices(found)
