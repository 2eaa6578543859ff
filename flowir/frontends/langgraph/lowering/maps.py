"""Lowers routers that `Send` one item per task: a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects.builtin import IntAttr, StringAttr
from xdsl.ir import Attribute, Block, Region

from flowir.dialects import flow
from flowir.dialects.flow_types import ListType, json
from flowir.frontends.langgraph.facts import GraphImportError
from flowir.frontends.langgraph.lowering.building import Env
from flowir.frontends.langgraph.lowering.channels import flow_type, keys_of
from flowir.frontends.langgraph.reading.functions import Function, function_of
from flowir.frontends.langgraph.reading.routing import answers, sends
from flowir.frontends.langgraph.reading.state import state_reads

if TYPE_CHECKING:
    from flowir.frontends.langgraph.lowering.level import Level


def lower_sends(graph: Level, name: str, router: Function, what: str, env: Env) -> tuple[str, Env]:
    """The node after the map, and the state when it is reached.

    Raises:
        GraphImportError: more than one node is sent to, or it does not write one reduced key.
    """
    build = graph.build
    targets = sends(router)
    if len(targets) != 1 or answers(router)[0]:
        raise GraphImportError(f"{router.place}: {what} does more than send items to one node")
    (worker,) = targets
    after = graph.shape.plain(worker)
    if len(after) != 1 or worker in graph.builder.branches:
        raise graph.refuse(worker, "is sent items and goes on to other than one node")
    graph.nodes.check(worker, graph.builder.nodes[worker])
    function = function_of(graph.builder.nodes[worker].runnable)
    items = graph.nodes.whole(
        function=router,
        hint=f"{name}_items",
        what=what,
        env=env,
        kind=ListType(json),
        result="[send.arg for send in {}]",
    )
    outer, block = build.block, Block(arg_types=[json])
    block.args[0].name_hint = "item"
    build.block = block
    types = {key: channel.kind for key, channel in graph.channels.items()}
    given: Env = {}
    with build.at(function.place, "ast"):
        schema = graph.builder.nodes[worker].input_schema
        hints = _annotations(schema)
        reads, sure = state_reads(function)
        if not sure:
            raise graph.refuse(worker, "is sent items and passes them on whole")
        for key in reads:
            kind = hints.get(key, types.get(key, json))
            given[key] = build.pick(block.args[0], key, kind)
            build.unsure.add(given[key])
    updates = graph.nodes.updates(worker, function, given, types)
    build.block = outer
    reduced = [key for key in updates if graph.channels[key].reducer is not None]
    if len(updates) != 1 or not reduced:
        raise graph.refuse(worker, "is sent items and does not write one key with a reducer")
    (key,) = reduced
    block.add_op(flow.YieldOp(updates[key]))
    path = graph.path(worker)
    widths = graph.owner.options.runs.widths(graph.path(name), path)
    bound = graph.owner.bound(path, None, None if widths is None else widths.most, "items")
    graph.owner.notes.append(
        f"{graph.path(worker)}: without any item LangGraph stops there, flow goes on with none"
    )
    op = flow.MapOp.build(
        operands=[items],
        result_types=[ListType(updates[key].type)],
        properties={"bound": IntAttr(bound), "site": build.site(worker)},
        regions=[Region(block)],
    )
    if widths is None:
        graph.owner.ask(path, "how many items there usually are", "width of the map")
    else:
        op.properties["width"] = IntAttr(min(bound, max(1, round(widths.mean))))
        op.attributes["flowir.runs"] = StringAttr(widths.said)
    with build.at(router.place, "ast"):
        results = build.add(op, f"{worker}_all")
        reduced_value = graph.channels[key].reduce_all(build, env, results)
    return after[0], {**env, key: reduced_value}


def _annotations(schema: object) -> dict[str, Attribute]:
    from flowir.frontends.langgraph.lowering.channels import _hints

    return {key: flow_type(hint) for key, hint in _hints(schema).items()}


__all__ = ["keys_of", "lower_sends"]
