"""What flowir adds to xDSL, by name; nothing is imported before its name is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from xdsl.universe import Universe

DIALECTS = {
    "dse": "flowir.dialects.dse:Dse",
    "flow": "flowir.dialects.flow:Flow",
    "plan": "flowir.dialects.plan:PlanDialect",
    "prim": "flowir.dialects.prim:PrimDialect",
}

PASSES = {
    "flow-bounds": "flowir.passes.flow_bounds:FlowBounds",
    "flow-cascade": "flowir.passes.flow_cascade:FlowCascade",
    "flow-dse": "flowir.passes.flow_dse:FlowDse",
    "flow-fuse-supersteps": "flowir.passes.flow_fuse_supersteps:FlowFuseSupersteps",
    "flow-inline": "flowir.passes.flow_inline:FlowInline",
    "flow-name-sites": "flowir.passes.flow_name_sites:FlowNameSites",
    "flow-optional": "flowir.passes.flow_optional:FlowOptional",
    "flow-refine": "flowir.passes.flow_refine:FlowRefine",
    "flow-select": "flowir.passes.flow_select:FlowSelect",
    "flow-self-consistency": "flowir.passes.flow_self_consistency:FlowSelfConsistency",
    "flow-space-stats": "flowir.passes.flow_space_stats:FlowSpaceStats",
    "lower-flow-to-prim": "flowir.passes.lower_flow_to_prim:LowerFlowToPrim",
    "plan-critical-path": "flowir.passes.plan_critical_path:PlanCriticalPath",
    "plan-dedupe": "flowir.passes.plan_dedupe:PlanDedupe",
    "plan-fuse": "flowir.passes.plan_fuse:PlanFuse",
    "prim-pipeline-decode": "flowir.passes.prim_pipeline_decode:PrimPipelineDecode",
    "prim-prune-deps": "flowir.passes.prim_prune_deps:PrimPruneDeps",
    "prim-speculate": "flowir.passes.prim_speculate:PrimSpeculate",
    "prim-split-prefill": "flowir.passes.prim_split_prefill:PrimSplitPrefill",
    "prim-split-stages": "flowir.passes.prim_split_stages:PrimSplitStages",
    "react-to-plan": "flowir.passes.react_to_plan:ReactToPlan",
}

TARGETS = {
    "asyncio": "flowir.backends.asyncio.target:AsyncioTarget",
    "dot": "flowir.backends.dot.target:DotTarget",
    "langgraph": "flowir.backends.langgraph.target:LanggraphTarget",
    "mermaid": "flowir.backends.mermaid.target:MermaidTarget",
    "pareto-json": "flowir.search.pareto_json:ParetoJsonTarget",
}


def _factories(places: Mapping[str, str]) -> dict[str, Callable[[], Any]]:
    """For every `module:name` a function without arguments that imports it."""

    def factory(place: str) -> Callable[[], Any]:
        module, _, name = place.partition(":")
        return lambda: getattr(import_module(module), name)

    return {key: factory(place) for key, place in places.items()}


FLOWIR_UNIVERSE = Universe(
    all_dialects=_factories(DIALECTS),
    all_passes=_factories(PASSES),
    all_targets=_factories(TARGETS),
)
"""Found by every xDSL tool through the entry point group `xdsl.universe`."""
