"""Which choices matter to a point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from flowir.calculus.terms import Alternatives, Block, blocks_of
from flowir.search.exact.columns import Indices
from flowir.search.exact.graph import choices_of
from flowir.search.exact.partial import UNREACHED, Key


def reached(body: Block, made: Mapping[Key, Indices], size: int) -> Mapping[Key, Indices]:
    """[size] what each point chooses, where it is reached; the first, where nothing depends on it.

    A choice in a block that is not chosen is not reached, whatever was assumed for it on the way.
    """
    reach: dict[Key, npt.NDArray[np.bool_]] = {}
    _visit(body, made, np.ones(size, dtype=np.bool_), reach)
    found: dict[Key, Indices] = defaultdict(lambda: np.full(size, UNREACHED, dtype=np.intp))
    for key, rows in reach.items():
        chosen = np.maximum(made[key], 0) if key in made else 0
        found[key] = np.where(rows, chosen, UNREACHED).astype(np.intp)
    return found


def _visit(
    block: Block,
    made: Mapping[Key, Indices],
    rows: npt.NDArray[np.bool_],
    reach: dict[Key, npt.NDArray[np.bool_]],
) -> None:
    for term in block.terms:
        for key in choices_of(term):
            reach[key] = reach[key] | rows if key in reach else rows
        for label, inner in enumerate(blocks_of(term)):
            chosen = rows & (made[term.name] == label) if isinstance(term, Alternatives) else rows
            if chosen.any():
                _visit(inner, made, chosen, reach)
