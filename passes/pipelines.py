"""Named pipelines: `-p NAME` stands for its passes."""

from __future__ import annotations

SIMPLIFY = ("canonicalize", "cse", "canonicalize")
"""The same workflow with less in it."""

PREPARE = ("flow-inline", *SIMPLIFY, "flow-name-sites")
"""What exploration and emission like to be given: one flat workflow with named places."""

TEOLA = (
    "flow-inline",
    "lower-flow-to-prim",
    "prim-prune-deps",
    "prim-split-stages",
    "prim-pipeline-decode",
    "prim-split-prefill",
)
"""A workflow as primitives that start as early as their data allows (arXiv 2407.00326). The prefill
split comes last: it asks when everything else is known."""

PIPELINES: dict[str, tuple[str, ...]] = {
    "flow-simplify": SIMPLIFY,
    "flow-prepare": PREPARE,
    "teola": TEOLA,
}
