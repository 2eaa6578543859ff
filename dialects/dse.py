"""The `dse` dialect: design spaces, and what exploring them found.

Attributes only. A space says what may be chosen for an agent; a front, on a workflow, holds the
points exploration kept; `configs` on a call and `choices` on an alternatives hold, point by point,
what was chosen there.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from flowir.dialects.dse_front import EstimateAttr, FrontAttr, PointAttr, UnusedAttr, WorstAttr
from flowir.dialects.dse_space import Budget, ConfigAttr, ModelOptionAttr, SpaceAttr

__all__ = [
    "ANNOTATIONS",
    "CHOICES",
    "CONFIGS",
    "ESTIMATE",
    "FRONT",
    "PRICES",
    "WORST",
    "Budget",
    "ConfigAttr",
    "Dse",
    "EstimateAttr",
    "FrontAttr",
    "ModelOptionAttr",
    "PointAttr",
    "SpaceAttr",
    "UnusedAttr",
    "WorstAttr",
]

CONFIGS = "dse.configs"
"""On an op that calls an agent: one `#dse.config` or `#dse.unused` per point of the front."""

CHOICES = "dse.choices"
"""On an alternatives: one label or `#dse.unused` per point of the front."""

FRONT = "dse.front"
"""On a workflow: its `#dse.front`."""

ESTIMATE = "dse.estimate"
"""On an op of a selected point: what it is expected to do there."""

WORST = "dse.worst"
"""On a workflow: its `#dse.worst`."""

PRICES = "dse.prices"
"""On a workflow compiled to one point: what its models cost when it was explored, one string each:
the name, US dollars per million input tokens, per million output tokens."""

ANNOTATIONS = (CONFIGS, CHOICES, FRONT, ESTIMATE, PRICES, WORST)
"""Everything exploration writes; a workflow without them is what the user wrote."""

Dse = Dialect(
    "dse",
    [],
    [
        ConfigAttr,
        EstimateAttr,
        FrontAttr,
        ModelOptionAttr,
        PointAttr,
        SpaceAttr,
        UnusedAttr,
        WorstAttr,
    ],
)
