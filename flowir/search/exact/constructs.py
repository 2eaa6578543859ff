"""How each construct is composed: the rows of the calculus over options instead of settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flowir.calculus.terms import (
    Branch,
    Call,
    Fallback,
    Join,
    Map,
    Plan,
    Refine,
    Select,
    Term,
    ToolCall,
    Vote,
)
from flowir.search.exact import direct, regions
from flowir.search.exact.graph import Node
from flowir.search.exact.partial import PartialFront

if TYPE_CHECKING:
    from flowir.search.exact.composer import Composer, Scope
    from flowir.search.exact.facts import Keys

CONSTRUCTS: Mapping[type[Term], Callable[[Composer, Scope, Node, Any, Keys], PartialFront]] = {
    Call: direct.call,
    ToolCall: direct.tool,
    Join: direct.join,
    Vote: direct.vote,
    Select: direct.select,
    Branch: regions.branch,
    Fallback: regions.fallback,
    Refine: regions.refine,
    Map: regions.map,
    Plan: regions.plan,
}
"""Each composes a term with the values merged into it, conditioned on the others that it reads, and
keeps apart the choices that something outside depends on too."""
