"""Every kind of broken file gets one message: what is wrong, a caret at the place, and the mend.

The place that has to be marked stands between « and » in the source.
"""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from flowir.cli.main import cli

DECLARED = """flow.agent @coder prompt "Do {task}" space <models = ["m1", "m2"]>
flow.agent @route prompt "{task}" -> !flow.label
flow.tool @tests impl "tools:tests" -> !flow.bool effect pure
"""
CALL = "  %a = flow.call @coder(%task) : (!flow.text) -> !flow.text\n"
MARKED = "  «%»a = flow.call @coder(%task) : (!flow.text) -> !flow.text\n"
ROUTE = "  %l = flow.call @route(%task) : (!flow.text) -> !flow.label\n"
RETURN = "  flow.return %a : !flow.text\n"
SAME = "{\n    flow.yield %task : !flow.text\n  }"


def workflow(*lines: str) -> str:
    """A module with one workflow."""
    signature = "flow.workflow @w(%task: !flow.text) -> !flow.text {\n"
    return DECLARED + signature + "".join(lines) + "}\n"


BROKEN = {
    "a value that is nowhere": (
        workflow(CALL, "  flow.return «%b» : !flow.text\n"),
        "%b is nowhere made",
    ),
    "a value misspelt": (
        workflow("  %a = flow.call @coder(«%tsk») : (!flow.text) -> !flow.text\n", RETURN),
        "did you mean %task?",
    ),
    "a value of an inner region": (
        workflow(
            '  %a = flow.alternatives "s" -> !flow.text\n    "x" {\n    ',
            CALL.replace("%a", "%d"),
            "    flow.yield %d : !flow.text\n  }\n  flow.return «%d» : !flow.text\n",
        ),
        "line 7 makes it in another region, which has to give it",
    ),
    "a value before it is made": (
        workflow(MARKED.replace("%task", "%b"), CALL.replace("%a", "%b"), RETURN),
        "uses %b before it is made; order them by use",
    ),
    "a value made twice": (
        workflow(CALL, MARKED.replace("«%»a", "«%a»"), RETURN),
        "%a is made twice; rename one",
    ),
    "an operation misspelt": (
        workflow("  %a = «flow.cal» @coder(%task) : (!flow.text) -> !flow.text\n", RETURN),
        "unknown operation flow.cal; did you mean flow.call?",
    ),
    "a symbol misspelt": (
        workflow(MARKED.replace("@coder", "@codr"), RETURN),
        "unknown symbol @codr; declared here: @coder",
    ),
    "a symbol in quotes": (
        workflow('  %a = flow.call «"coder"»(%task) : (!flow.text) -> !flow.text\n', RETURN),
        "expected a symbol such as @coder",
    ),
    "a symbol declared twice": (
        DECLARED + '«f»low.agent @coder prompt "{x}"\n',
        "@coder is declared twice; rename one",
    ),
    "a type misspelt": (
        workflow("  %a = flow.call @coder(%task) : (!flow.text) -> «!flow.txt»\n", RETURN),
        "did you mean flow.text?",
    ),
    "a use with another type": (
        workflow(CALL, "  flow.return «%a» : !flow.json\n"),
        "the value is !flow.text, but is used as !flow.json",
    ),
    "a call without its type": (
        workflow("  %a = flow.call @coder(%task«)»\n", RETURN),
        "Expected ':'",
    ),
    "too many inputs": (
        workflow("  «%»a = flow.call @coder(%task, %l) : (!flow.text, !flow.label) -> !flow.text\n")
        .replace("{\n  «", "{\n" + ROUTE + "  «")
        .replace("text\n}", "text\n" + RETURN + "}"),
        "the prompt of @coder has 1 variables (task), the call gives 2",
    ),
    "more operands than types": (
        workflow("  %a = flow.call @coder«(»%task, %task) : (!flow.text) -> !flow.text\n", RETURN),
        "expected 1 operand types but had 2",
    ),
    "a brace that stays open": (
        workflow(CALL, RETURN)[:-2].replace("{\n  %a", "«{»\n  %a"),
        "this { is never closed",
    ),
    "a brace too many": (workflow(CALL, RETURN) + "«}»\n", "closes nothing; remove it"),
    "no return": (workflow(MARKED), "end it in flow.yield, or a workflow in flow.return"),
    "an empty region": (
        workflow('  «%»a = flow.alternatives "s" -> !flow.text\n    "x" {\n    }\n', RETURN),
        "a region is empty; give its value with flow.yield",
    ),
    "alternatives without regions": (
        workflow('  «%»a = flow.alternatives "s" -> !flow.text\n', RETURN),
        'no regions; give at least one, `"label" { … }`',
    ),
    "a label twice": (
        workflow(
            f'  «%»a = flow.alternatives "s" -> !flow.text\n  "x" {SAME}\n  "x" {SAME}\n', RETURN
        ),
        "rename or merge",
    ),
    "weights that are no probabilities": (
        workflow(
            ROUTE,
            f'  «%»a = flow.branch %l : !flow.label -> !flow.text\n  "x" weight 0.7 {SAME}\n'
            f"  else weight 0.7 {SAME}\n",
            RETURN,
        ),
        "the weights sum to 1.4; they must sum to 1",
    ),
    "a model's label without else": (
        workflow(
            ROUTE, f'  «%»a = flow.branch %l : !flow.label -> !flow.text\n  "x" {SAME}\n', RETURN
        ),
        "add an `else` case",
    ),
    "a branch on a text": (
        workflow(f'  «%»a = flow.branch %task : !flow.text -> !flow.text\n  "x" {SAME}\n', RETURN),
        "operand `on` is !flow.text, but !flow.label is meant",
    ),
    "a loop without a bound": (
        workflow(
            f"  %a = flow.refine(%v, %f) from %task : !flow.text «until» @tests {SAME}\n", RETURN
        ),
        "expected `max N`; loops are always bounded",
    ),
    "a map over a text": (
        workflow(f"  %a = flow.map(%i) in «%»task : !flow.text max 3 -> !flow.text {SAME}\n"),
        "expected a !flow.list to go through, got !flow.text",
    ),
    "an unknown join": (
        workflow(
            "  %a = flow.join «votes»(%task, %task) : (!flow.text, !flow.text) -> !flow.text\n"
        ),
        "`vote`",
    ),
    "a join of nothing": (
        workflow("  «%»a = flow.join vote() : () -> !flow.text\n", RETURN),
        "nothing to join; give at least one operand",
    ),
    "a site twice": (
        workflow(
            CALL.replace(") :", ') at "s" :'),
            MARKED.replace(") :", ') at "s" :').replace("»a", "»b"),
            RETURN,
        ),
        "the site name is taken",
    ),
    "a circle of calls": (
        workflow(CALL.replace("@coder", "@w"), RETURN).replace("flow.workflow", "«f»low.workflow"),
        "use flow.refine or flow.map",
    ),
    "a call outside": (
        DECLARED + "«%»t = flow.call @coder(%t) : (!flow.text) -> !flow.text\n",
        "move it into a flow.workflow",
    ),
    "a string that stays open": (
        'flow.agent @coder prompt «"Do {task}»\n',
        'write \\n for a new line, \\" for a quote',
    ),
    "an unknown escape": (
        'flow.agent @coder prompt "Do «\\d» {task}"\n',
        "write \\\\ for a backslash",
    ),
    "a template that does not read": (
        '«f»low.agent @coder prompt "Do {task"\n',
        "write {name} for a variable and double a brace that is text",
    ),
    "an unknown parser": (
        '«f»low.agent @coder prompt "Do {task}" parser "yaml"\n',
        "use one of text, code, json, lines, label",
    ),
    "a space without models": (
        'flow.agent @coder prompt "Do {task}" space <models = []«>»\n\n',
        "name at least one",
    ),
    "an unknown field": (
        'flow.agent @coder prompt "Do {task}" space <«m»odel = ["a"]>\n',
        "expected one of models, budgets, params",
    ),
    "a clause out of order": (
        'flow.agent @coder «space» <models = ["a"]> prompt "Do {task}"\n',
        'expected `prompt "…"`',
    ),
    "a rate that is no probability": (
        'flow.tool @t impl "a:b" -> !flow.bool accepts <right = 1.5, wrong = 0.1«>»\n',
        "must lie in [0, 1]",
    ),
    "an unknown effect": ('flow.tool @t impl "a:b" effect «pur»\n', "`reads`"),
    "an implementation nobody finds": (
        '«f»low.tool @t impl "a.b"\n',
        'not of the form "package.module:function"',
    ),
    "Python": ("«def» f(x): return x\n", "unknown operation def"),
    "JSON": ('«{»"a": 1}\n', "expected an operation, such as flow.workflow"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_place_is_marked_and_the_mend_is_said(kind, tmp_path):
    source, mend = BROKEN[kind]
    before, _, rest = source.partition("«")
    marked = rest.partition("»")[0]
    file = tmp_path / "w.mlir"
    file.write_text(before + rest.replace("»", "", 1))
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")

    result = CliRunner().invoke(cli, ["check", str(file)])

    assert result.exit_code == 1
    first, shown, caret = result.output.rstrip("\n").split("\n")
    assert first.startswith(f"{file}:{line}:{column}: error: ")
    assert mend in first
    assert shown == file.read_text().split("\n")[line - 1]
    assert caret == " " * (column - 1) + "^" * len(marked)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"\n", "empty; there is no module to read"), (b"\xff\xfe", "not UTF-8 text (byte 0)")],
)
def test_what_is_no_text_has_no_place(content, problem, tmp_path):
    file = tmp_path / "w.mlir"
    file.write_bytes(content)
    result = CliRunner().invoke(cli, ["check", str(file)])
    assert (result.exit_code, result.output) == (1, f"error: {file}: {problem}\n")
