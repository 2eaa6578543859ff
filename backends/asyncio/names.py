"""Python identifiers for the names of a workflow."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable, Set

FORBIDDEN = frozenset(keyword.kwlist) | frozenset(dir(builtins)) | {"_", "l", "O", "I"}
"""Names that no value, function or class of an emitted file may have."""

KEYS_FORBIDDEN = frozenset(keyword.kwlist) | {"_", "str", "bool", "list", "Any"}
"""Names that the key of an input may not have: type checkers would take it for a type."""


def identifier(name: str, default: str = "value") -> str:
    """A valid identifier that reads like `name`.

    What cannot stand in an identifier becomes an underscore, and underscores at the start go: names
    with two of them would be mangled inside classes.
    """
    # Python compares identifiers in this normal form, so two names must not differ only before it.
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"\W+", "_", text).lstrip("_")
    if text and not text.isidentifier():
        text = f"n{text}" if f"n{text}".isidentifier() else ""
    if not text.strip("_"):
        return default
    return f"{text}_" if keyword.iskeyword(text) else text


class Names:
    """The names that are taken in a scope; `inner` opens a scope inside it."""

    def __init__(
        self,
        taken: Iterable[str] = (),
        outer: Names | None = None,
        forbidden: Set[str] = FORBIDDEN,
    ) -> None:
        self._taken = set(taken) | forbidden
        self._outer = outer

    def __contains__(self, name: str) -> bool:
        if name in self._taken:
            return True
        return self._outer is not None and name in self._outer

    def new(self, name: str, suffix: str = "") -> str:
        """An identifier for `name` that is free here, and is taken from now on.

        Where it is not free, `suffix` is tried first, then numbers.
        """
        stem = identifier(name)
        found, number = stem, 1
        if found in self and suffix:
            stem = found = f"{stem}_{suffix}"
        while found in self:
            number += 1
            found = f"{stem}_{number}"
        self._taken.add(found)
        return found

    def inner(self) -> Names:
        """A scope in which everything taken here is taken as well."""
        return Names(outer=self, forbidden=frozenset())
