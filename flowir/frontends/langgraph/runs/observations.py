"""Model calls of recorded runs as observations for the cost model."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO

from xdsl.dialects.builtin import ModuleOp

from flowir.calculus.from_ir import configuration
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.frontends.langgraph.runs.statistics import Statistics, same_model
from flowir.profile.spans import FIRST_CALLS

COLUMNS = (
    "sub_agent",
    "model",
    "budget",
    "params",
    "query_id",
    "sample",
    "latency_s",
    "input_tokens",
    "output_tokens",
    "error",
)


def shared_nodes(nodes_of: Mapping[str, list[str]], runs: Statistics) -> list[str]:
    """Nodes of several agents whose recorded calls are in no profile."""
    found: dict[str, int] = {}
    for nodes in nodes_of.values():
        for node in nodes:
            found[node] = found.get(node, 0) + 1
    return sorted(node for node, count in found.items() if count > 1 and runs.calls(node))


def observations(module: ModuleOp, nodes_of: Mapping[str, list[str]], runs: Statistics) -> str:
    """A profile as CSV, one row per call; empty where there is none to write.

    A run is a query. Calls of a node are those of its agent: where a node has several, nobody can
    tell which one a call was of, and it is left out. The first of five or more calls of an agent
    has no latency: it pays for connections.
    """
    agents = {op.sym_name.data: op for op in module.ops if isinstance(op, flow.AgentOp)}
    agent_of: dict[str, list[flow.AgentOp]] = {}
    for name, nodes in nodes_of.items():
        for node in nodes:
            if name in agents:
                agent_of.setdefault(node, []).append(agents[name])
    rows: dict[tuple[str, str], list[list[str]]] = {}
    for run in runs.runs:
        for number, call in enumerate(run.calls):
            found = agent_of.get(call.node, [])
            if len(found) != 1:
                continue
            (agent,) = found
            name, chosen = agent.sym_name.data, Configuration(call.model)
            if agent.baseline is not None:
                today = configuration(agent.baseline)
                chosen = today if same_model(call.model, {today.model}) else chosen
            budget = "" if chosen.budget is None else str(chosen.budget)
            params = ";".join(f"{key}={value}" for key, value in chosen.params)
            told = ["" if n is None else str(n) for n in (call.input_tokens, call.output_tokens)]
            seconds = "" if call.error else repr(call.seconds)
            failed = "1" if call.error else ""
            sample = f"{run.run}.{number}"
            row = [name, chosen.model, budget, params, run.run, sample, seconds, *told, failed]
            rows.setdefault((name, chosen.model), []).append(row)
    for made in rows.values():
        if len(made) >= FIRST_CALLS:
            made.pop(0)
    if not rows:
        return ""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row for made in rows.values() for row in made)
    return text.getvalue()
