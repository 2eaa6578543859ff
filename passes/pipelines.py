"""Named pipelines: `-p NAME` stands for its passes."""

from __future__ import annotations

SIMPLIFY = ("canonicalize", "cse", "canonicalize")
"""The same workflow with less in it."""

PREPARE = ("flow-inline", *SIMPLIFY, "flow-name-sites")
"""What exploration and emission like to be given: one flat workflow with named places."""

PIPELINES: dict[str, tuple[str, ...]] = {
    "flow-simplify": SIMPLIFY,
    "flow-prepare": PREPARE,
}
