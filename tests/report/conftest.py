"""A small front with observations, and its report."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.profile import Price, Prices, observations_from_records
from flowir.report.gather import Report, gather
from flowir.report.render import render
from flowir.search.annotate import annotate
from flowir.search.explore import explore
from flowir.search.observed import Observed, given_rates
from flowir.search.options import Options
from tests.strategies_ir import parse

NASTY = '</script><img src=x onerror="alert(1)">&{{ 7 * 7 }}'
TEXT = """
flow.agent @writer prompt "NASTY {topic}" space <models = ["big", "small"]> baseline <"big">
flow.agent @checker prompt "Check: {topic}" space <models = ["big", "small"]>
flow.workflow @story(%topic: !flow.text) -> !flow.text {
  %a = flow.call @writer(%topic) at "a" : (!flow.text) -> !flow.text
  %b = flow.call @checker(%topic) at "b" : (!flow.text) -> !flow.text
  %both = flow.join concat(%a, %b) : (!flow.text, !flow.text) -> !flow.text
  %end = flow.call @checker(%both) at "end" : (!flow.text) -> !flow.text
  flow.return %end : !flow.text
}
"""


def observed() -> Observed:
    rng = np.random.default_rng(0)
    rows = [
        {
            "sub_agent": agent,
            "model": model,
            "query_id": str(query),
            "correct": int(rng.random() < right),
            "latency_s": seconds * float(np.exp(0.2 * rng.standard_normal())),
            "input_tokens": 50,
            "output_tokens": 20,
        }
        for agent in ("writer", "checker")
        for model, right, seconds in (("big", 0.9, 2.0), ("small", 0.6, 1.0))
        for query in range(30)
    ]
    prices = Prices({"big": Price(5, 15), "small": Price(1, 2)})
    return Observed(observations_from_records(rows), prices)


@pytest.fixture(scope="session")
def module() -> ModuleOp:
    module = parse(
        TEXT.replace("NASTY", NASTY.replace('"', '\\"').replace("{", "{{").replace("}", "}}"))
    )
    workflow = find_workflow(module)
    known = observed()
    terms = workflow_terms(workflow)
    source = known.source(terms, given_rates(module), "population")
    front = explore(
        terms, source, Options(draws=20, scenarios=32), profile=known.observations.content_hash,
        prices=known.prices,
    )  # fmt: skip
    annotate(workflow, front)
    return module


@pytest.fixture(scope="session")
def report(module: ModuleOp) -> Report:
    return gather(module, observed=observed())


@pytest.fixture(scope="session")
def page(report: Report) -> str:
    return render(report)
