"""Drawings: what they show, and that no name or prompt can become markup.

The oracles are Graphviz itself, which draws SVG whose texts are read back, and a strict reading of
the part of Mermaid's grammar that is written; Mermaid itself where FLOWIR_MERMAID names a folder
with it (`npm install mermaid jsdom` there).
"""

from __future__ import annotations

import html
import json
import os
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import BlockArgument

from flowir.backends.dot.target import dot_text
from flowir.backends.drawing.graph import Cluster, Drawing, Node, drawing
from flowir.backends.drawing.labels import WIDTH, cut
from flowir.backends.mermaid.target import mermaid_text
from flowir.dialects import flow
from flowir.errors import FlowirError
from tests.budget import some
from tests.strategies_ir import entry, module_text, parse, with_front

HOSTILE = [
    '"', '"]', "\\", "\\N", '\\"', "\n", "end", "end\n", "subgraph x", "-->", "|", "%%", "%%{init: "
    '{"theme": "dark"}}%%', "<script>alert(1)</script>", "&quot;", "#quot;", "#35;", "`**b**`",
    "{x}", "click n1 href", "---\ntitle: x\n---", "}", "]", ";", "é\u202e", "\x00", "\x1b[31m",
    "&amp;", "$$x$$", "fa:fa-ban", "a" * 200, " ", "",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), max_size=4).map("".join)

SAMPLE = """
flow.agent @solve prompt "P {x}" space <models = ["m"]>
flow.agent @pick prompt "{candidates}" space <models = ["m"]>
flow.tool @ok impl "a:b" -> !flow.bool accepts <right = 0.9, wrong = 0.2>
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %a = flow.alternatives "how" -> !flow.text
    "plain" {
      flow.yield %x : !flow.text
    }
    "asked" {
      %b = flow.call @solve(%x) at "first" as "strong" : (!flow.text) -> !flow.text
      flow.yield %b : !flow.text
    }
  %kept = flow.fallback until @ok -> !flow.text {
    %c = flow.call @solve(%a) at "second" : (!flow.text) -> !flow.text
    flow.yield %c : !flow.text
  } else {
    %d = flow.call @solve(%a) at "third" : (!flow.text) -> !flow.text
    flow.yield %d : !flow.text
  }
  flow.return %kept : !flow.text
}
"""


# The library brings Graphviz into its own process, and it can fall: it gets a process to itself.
DRAW = """
import json, sys
import pygraphviz
print(json.dumps([pygraphviz.AGraph(string=text).draw(format="svg", prog="dot").decode()
                  for text in json.load(sys.stdin)]))
"""


def _svg_texts(texts: list[str]) -> list[list[str]]:
    """The texts in each of the pictures that Graphviz draws."""
    pytest.importorskip("pygraphviz")
    done = subprocess.run(
        [sys.executable, "-c", DRAW], input=json.dumps(texts),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"Graphviz ended with {done.returncode}\n{done.stderr}"
    trees = [ElementTree.fromstring(svg.encode()) for svg in json.loads(done.stdout)]
    return [[e.text or "" for e in t.iter() if e.tag.endswith("}text")] for t in trees]


def _all_lines(picture: Drawing) -> Counter[str]:
    """The lines of all labels, as a person should see them."""

    def of(part: Node | Cluster) -> list[str]:
        inner = [] if isinstance(part, Node) else [x for p in part.parts for x in of(p)]
        return [*part.lines, *inner]

    lines = [line for cluster in picture.clusters for line in of(cluster)]
    return Counter(map(cut, [*lines, *(e.label for e in picture.edges if e.label)]))


def _shown(texts: list[str]) -> Counter[str]:
    """Texts without the white space that a picture does not show."""
    return Counter(filter(None, (" ".join(t.split()) for t in texts)))


# One Mermaid line each; a label has no quote, and only escapes that name a character.
LABEL = r'"((?:[^"#<>&`%{};|\\]|#\d+;|<br/>)*)"'
NODE = re.compile(
    rf" +(n\d+)(?:\(\[{LABEL}\]\)|\{{\{{{LABEL}\}}\}}|\[\[{LABEL}\]\]|\[/{LABEL}\\\]|\[{LABEL}\]"
    rf"|\{{{LABEL}\}}|>{LABEL}\])"
)
CLUSTER = re.compile(rf" +subgraph (c\d+)\[{LABEL}\]")
EDGE = re.compile(rf"  (n\d+) (?:-->|-\.->)(?:\|{LABEL}\|)? (n\d+)")


def _read_mermaid(text: str) -> tuple[list[str], list[str], set[str]]:
    """The labels, the edges as pairs and the nodes of a flowchart; any other line is an error."""
    first, *lines, last = text.split("\n")
    assert (first, last) == ("flowchart TD", "")
    labels, edges, nodes, depth = [], [], set(), 0
    for line in lines:
        if line.strip() == "end":
            depth -= 1
            assert depth >= 0
        elif found := CLUSTER.fullmatch(line):
            depth += 1
            labels.append(found[2])
        elif found := NODE.fullmatch(line):
            assert depth > 0
            assert found[1] not in nodes
            nodes.add(found[1])
            labels.append(next(label for label in found.groups()[1:] if label is not None))
        else:
            found = EDGE.fullmatch(line)
            assert found, line
            assert depth == 0
            edges.append(f"{found[1]} {found[3]}")
            labels += [found[2]] if found[2] else []
    assert depth == 0
    decoded = [re.sub(r"#(\d+);", lambda m: chr(int(m[1])), part) for label in labels
               for part in label.split("<br/>")]  # fmt: skip
    return decoded, edges, nodes


def _module(hostile: list[str]) -> Any:
    """The sample with hostile texts where a user's own may stand."""
    module = parse(SAMPLE)
    texts = iter(hostile)
    for op in module.walk():
        match op:
            case flow.AgentOp():
                op.properties["prompt"] = StringAttr(next(texts))
            case flow.CallOp():
                op.properties["site"] = StringAttr(next(texts))
                op.properties["group"] = StringAttr(next(texts))
            case flow.AlternativesOp():
                op.properties["choice"] = StringAttr(next(texts))
            case flow.WorkflowOp():
                op.properties["sym_name"] = StringAttr(next(texts))
            case _:
                continue
    return module


@settings(max_examples=some(40))
@given(st.lists(TEXTS, min_size=12, max_size=12))
def test_whatever_is_in_a_name_is_text_for_graphviz(hostile: list[str]) -> None:
    picture = drawing(_module(hostile))
    assert _shown(*_svg_texts([dot_text(picture)])) == _shown(list(_all_lines(picture).elements()))


@settings(max_examples=some(60))
@given(st.lists(TEXTS, min_size=12, max_size=12))
def test_whatever_is_in_a_name_is_text_for_mermaid(hostile: list[str]) -> None:
    picture = drawing(_module(hostile))
    labels, _, _ = _read_mermaid(mermaid_text(picture))
    assert _shown(labels) == _shown(list(_all_lines(picture).elements()))


def test_mermaid_itself_reads_what_is_written() -> None:
    folder = os.environ.get("FLOWIR_MERMAID")
    if folder is None:
        pytest.skip("FLOWIR_MERMAID names no folder with node_modules/mermaid and jsdom")
    pictures = []
    for number in range(40):
        draw = random.Random(number)
        texts = ["".join(draw.choices(HOSTILE, k=draw.randint(0, 4))) for _ in range(12)]
        pictures.append(drawing(_module(texts)))
        pictures.append(drawing(parse(module_text(draw.randint))))
    script = Path(__file__).with_name("mermaid_parse.mjs")
    done = subprocess.run(
        ["node", script, folder], input=json.dumps(list(map(mermaid_text, pictures))),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for picture, found in zip(pictures, json.loads(done.stdout), strict=True):
        nodes = [node for cluster in picture.clusters for node in cluster.nodes()]
        assert [node for node, _ in found["nodes"]] == [node.id for node in nodes]
        assert [(a, b) for a, b, _ in found["edges"]] == [(e.start, e.end) for e in picture.edges]
        texts = [text for key in ("nodes", "clusters") for _, text in found[key]]
        texts += [text for *_, text in found["edges"] if text]
        lines = [_unescaped(line) for text in texts for line in re.split("<br ?/?>", text)]
        assert _shown(lines) == _shown(list(_all_lines(picture).elements()))


def _unescaped(text: str) -> str:
    """What Mermaid shows for a text; it keeps entities between signs of its own."""
    text = text.replace("ﬂ°°", "&#").replace("ﬂ°", "&").replace("¶ß", ";")
    return html.unescape(text)


@settings(max_examples=some(30))
@given(st.randoms(use_true_random=False), st.booleans())
def test_every_op_is_drawn_and_every_value_leads_where_it_is_used(draw: Any, front: bool) -> None:
    module = parse(module_text(draw.randint, called=not front))
    if front:
        with_front(module, draw.randint)
    picture = drawing(module)
    nodes = [node for cluster in picture.clusters for node in cluster.nodes()]
    shapes = Counter(node.shape for node in nodes)
    ops = [op for w in module.ops if isinstance(w, flow.WorkflowOp) for op in w.walk()]
    workflows = [op for op in ops if isinstance(op, flow.WorkflowOp)]
    # A plan has a node for its tools.
    made = sum(isinstance(op, flow.CallOp | flow.JoinOp | flow.PlanOp) for op in ops)
    checks = sum(
        isinstance(op, flow.RefineOp)
        or (isinstance(op, flow.FallbackOp) and len(op.tiers) + op.bound.data > 2)
        for op in ops
    )
    assert shapes["agent"] + shapes["tool"] + shapes["workflow"] + shapes["join"] == made
    assert shapes["check"] == checks
    assert shapes["route"] == sum(isinstance(op, flow.BranchOp) for op in ops)
    assert shapes["end"] == sum(1 + len(w.body.block.args) for w in workflows)
    # An argument leads to the nodes that read it, at any depth; and something leads to each result.
    known = {node.id for node in nodes}
    assert all({edge.start, edge.end} <= known for edge in picture.edges)
    assert len(set(picture.edges)) == len(picture.edges)
    for workflow, cluster in zip(workflows, picture.clusters, strict=True):
        inside = list(cluster.nodes())
        ends = [node for node in cluster.parts if isinstance(node, Node) and node.shape == "end"]
        for argument, node in zip(workflow.body.block.args, ends, strict=False):
            leads = sum(edge.start == node.id for edge in picture.edges)
            assert (leads > 0) == _is_read(argument)
        led = {edge.end for edge in picture.edges}
        assert ends[-1].id in led
        joins = {node.id for node in inside if node.shape in ("join", "check", "route", "pass")}
        assert joins <= led
    _, edges, drawn = _read_mermaid(mermaid_text(picture))
    assert drawn == known
    assert len(edges) == len(picture.edges)


def _is_read(argument: BlockArgument) -> bool:
    """Whether a map's empty body, say, does not hide the only use of a value."""
    for use in argument.uses:
        op = use.operation
        if isinstance(op, flow.MapOp):
            if any(_is_read(inner) for inner in op.body.block.args):
                return True
        elif not (isinstance(op, flow.FallbackOp) and len(op.tiers) + op.bound.data == 2):
            return True
    return False


def test_graphviz_reads_random_workflows() -> None:
    drawn = [drawing(parse(module_text(random.Random(n).randint))) for n in range(12)]
    for picture, texts in zip(drawn, _svg_texts([dot_text(p) for p in drawn]), strict=True):
        assert _shown(texts) == _shown(list(_all_lines(picture).elements()))


def test_an_empty_first_line_does_not_fell_graphviz() -> None:
    # Found by the test above: gvFreeLayout ended the process, from a name of white space.
    module = parse(SAMPLE.replace('at "first"', 'at "\\t"').replace('at "second"', 'at " "'))
    picture = drawing(module)
    assert _shown(*_svg_texts([dot_text(picture)])) == _shown(list(_all_lines(picture).elements()))


def test_a_front_says_which_points_choose_what_and_a_point_shows_only_itself() -> None:
    module = parse(SAMPLE)
    with_front(module, random.Random(3).randint, points=4)
    before = str(module)
    whole = _all_lines(drawing(module))
    assert whole["4 points"] == 1
    chosen = [line for line in whole if line.startswith("point")]
    numbers = sorted(int(n) for line in chosen for n in re.findall(r"\d+", line))
    assert numbers == [0, 1, 2, 3]
    for point in range(4):
        picture = drawing(module, point=point)
        lines = _all_lines(picture)
        assert lines["choice how"] == 0
        assert lines["m"] == sum(n.shape == "agent" for n in picture.clusters[0].nodes())
        assert lines[f"{50 + 10 * point}.0 % right, {1 + point} s"] == 1
    assert str(module) == before


def test_hedges_say_when_they_start() -> None:
    head, _, _ = SAMPLE.partition("flow.workflow")
    picture = drawing(parse(head + """
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %a = flow.call @solve(%x) at "first" : (!flow.text) -> !flow.text
  %b = flow.call @solve(%x) at "second" : (!flow.text) -> !flow.text
  %c = flow.join first(%b, %a) until @ok after [1.5, 0.0] : (!flow.text, !flow.text) -> !flow.text
  flow.return %c : !flow.text
}
"""))  # fmt: skip
    named = {node.id: node.lines[0] for node in picture.clusters[0].nodes()}
    labels = {(named[e.start], named[e.end]): e.label for e in picture.edges}
    assert labels["first", "first"] == ""
    assert labels["second", "first"] == "after 1.5 s"


def test_one_workflow_is_drawn_where_one_is_named() -> None:
    module = parse(SAMPLE + SAMPLE[SAMPLE.index("flow.workflow") :].replace("@w", "@v"))
    assert [c.lines[0] for c in drawing(module).clusters] == ["workflow w", "workflow v"]
    assert [c.lines[0] for c in drawing(module, "v").clusters] == ["workflow v"]
    with pytest.raises(FlowirError, match="nowhere"):
        drawing(module, "nowhere")
    with pytest.raises(FlowirError, match="no workflow has a front"):
        drawing(module, point=0)
    assert entry(parse(SAMPLE)).sym_name.data == "w"


@given(st.text())
def test_long_texts_are_cut(text: str) -> None:
    assert len(cut(text)) <= WIDTH
    assert cut(text).isprintable()
