"""Bars of steps inside of regions: one passage each, tiers in turn, cases side by side."""

from __future__ import annotations

from xdsl.dialects.builtin import DictionaryAttr

from flowir.calculus.from_ir import find_workflow
from flowir.calculus.sites import site_names
from flowir.dialects.dse import ESTIMATE, EstimateAttr
from flowir.report.schedule import Bar, schedule
from tests.strategies_ir import parse

TEXT = """
flow.agent @solver prompt "{task}" space <models = ["a"]>
flow.agent @critic prompt "{task}{answer}" -> !flow.bool space <models = ["a"]>
flow.agent @router prompt "{task}" -> !flow.label space <models = ["a"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %first = flow.call @solver(%task) at "first" : (!flow.text) -> !flow.text
  %kept = flow.fallback until @critic(%task : !flow.text) at "kept" -> !flow.text {
    %x = flow.call @solver(%first) at "x" : (!flow.text) -> !flow.text
    %y = flow.call @solver(%x) at "y" : (!flow.text) -> !flow.text
    flow.yield %y : !flow.text
  } else {
    %z = flow.call @solver(%task) at "z" : (!flow.text) -> !flow.text
    flow.yield %z : !flow.text
  }
  %kind = flow.call @router(%task) at "kind" : (!flow.text) -> !flow.label
  %end = flow.branch %kind : !flow.label at "by kind" -> !flow.text
    "easy" {
      flow.yield %kept : !flow.text
    }
    "hard" {
      %h = flow.call @solver(%kept) at "h" : (!flow.text) -> !flow.text
      flow.yield %h : !flow.text
    }
    else {
      %d = flow.call @solver(%task) at "d" : (!flow.text) -> !flow.text
      flow.yield %d : !flow.text
    }
  flow.return %end : !flow.text
}
"""

SECONDS = {"first": 1.0, "kept": 6.0, "x": 2.0, "y": 3.0, "z": 4.0, "kind": 0.5, "by kind": 2.5}


def bars() -> list[Bar]:
    workflow = find_workflow(parse(TEXT), None)
    for op, site in site_names(workflow).items():
        seconds = SECONDS.get(site, 5.0)
        latency = EstimateAttr.of(seconds, seconds, seconds)
        op.attributes[ESTIMATE] = DictionaryAttr({"latency_s": latency})
    return list(schedule(workflow))


def test_a_region_counts_as_a_whole_and_shows_what_it_runs() -> None:
    by_site = {bar.site: bar for bar in bars()}
    spans = {site: (bar.start, bar.end) for site, bar in by_site.items()}
    assert spans["first"] == (0.0, 1.0)
    assert spans["kept"] == (1.0, 7.0)
    assert spans["by kind"] == (7.0, 9.5)
    assert (spans["x"], spans["y"], spans["z"]) == ((1.0, 3.0), (3.0, 6.0), (6.0, 10.0))
    assert spans["h"] == spans["d"] == (7.0, 12.0)


def test_only_steps_of_the_workflow_itself_are_critical_or_supersteps() -> None:
    found = bars()
    assert {bar.site for bar in found if bar.depth} == {"x", "y", "z", "h", "d"}
    assert {bar.site for bar in found if bar.critical} == {"first", "kept", "by kind"}
    assert all(bar.superstep is None for bar in found if bar.depth)


def test_what_is_inside_follows_its_region() -> None:
    order = [bar.site for bar in bars()]
    assert order[order.index("kept") :][:4] == ["kept", "x", "y", "z"]
    assert order[order.index("by kind") :] == ["by kind", "h", "d"]
