"""What widening passes refuse, and how they say so; the modules are those of the lit tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowir.cli import opt

MODULES = Path(__file__).parents[2] / "lit_tests/passes"

REFUSED = [
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=coder n=3,1}",
        "flow-self-consistency: n=3,1: 1 is too few; give 2 or more",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=codr}",
        "flow-self-consistency: agent=codr: @codr is not declared; declared as flow.agent: "
        "@coder, @router, @idle",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=idle}",
        "flow-self-consistency: no flow.call calls @idle; only calls are widened",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{site=nowhere}",
        'flow-self-consistency: no call at "nowhere"; there are "draft", "other", "last", '
        '"posted", "sub", "sent", "kind"',
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{site=sent}",
        'flow.call @publish at "sent": it may write, so it cannot be repeated; declare the '
        "effect of the tools behind it, `pure` or `reads`, if they do not write",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{site=kind}",
        'flow.call @router at "kind": a branch looks at this label, and its cases are '
        "predicted from this one call: it cannot be repeated; widen other calls with site=…",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=coder key=post}",
        "flow-self-consistency: key=post: @post may write, so it runs only where it is "
        "called; declare `effect pure` or `effect reads` if it does not",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=coder},flow-self-consistency{agent=coder n=7}",
        'flow.call @coder at "draft": it is widened already, by alternatives "coder/strong '
        'votes"; run flow-self-consistency once, with all its options',
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder tiers=1 until=tests}",
        "flow-cascade: tiers=1: 1 is too few; give 2 or more",
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder}",
        "flow-cascade: a cascade needs a checker; give until=NAME",
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=nobody}",
        "flow-cascade: until=nobody: @nobody is not declared; declared as flow.tool: "
        "@tests, @deploy, @size",
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=size}",
        "flow-cascade: until=size: it gives !flow.json, not a verdict; declare it -> !flow.bool",
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=deploy}",
        "flow-cascade: until=deploy: @deploy may write, so it runs only where it is "
        "called; declare `effect pure` or `effect reads` if it does not",
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=stranger}",
        'flow-cascade: until=stranger is to be shown "rubric", and flow.call @coder at '
        '"early" is given "task", "hint"; say with context=… what of it to show',
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=stranger context=task,hint}",
        "flow-cascade: context=task,hint: the prompt of @stranger shows 1 values before "
        "the one it judges; name as many",
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=blind}",
        "flow-cascade: until=blind: its prompt does not show what it judges; add a "
        "variable, the last one",
    ),
    (
        "flow-cascade",
        "flow-cascade{site=fixed until=tests}",
        'flow.call @fixer at "fixed": its `config` is chosen, so tiers could not differ; '
        "remove it, or widen before flow-select",
    ),
    (
        "flow-cascade",
        "flow-cascade{site=sized until=tests}",
        'flow.call @size at "sized": flow-cascade widens calls of agents, and this is a flow.tool',
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=tests},flow-cascade{agent=coder until=tests}",
        'flow.call @coder at "early": it is widened already, by alternatives "coder/first '
        'cascade"; run flow-cascade once, with all its options',
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder critic=tests}",
        "flow-refine: @coder cannot mend what is rejected: its prompt shows {task}, but "
        "not {value}, {feedback}: add what is missing, or name the variables with value=… "
        "and feedback=…; or name another agent with by=NAME",
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder critic=tests by=writer value=draft feedback=notes}",
        "flow-refine: @writer cannot mend what is rejected: it gives !flow.json, not !flow.text",
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder critic=tests by=careful}",
        "flow-refine: @careful cannot mend what is rejected: nothing fills {style}; @coder "
        "is given {task}",
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder critic=tests by=tests}",
        "flow-refine: by=tests: @tests is a flow.tool; declared as flow.agent: @coder, "
        "@fixer, @careful, @writer",
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder critic=tests by=fixer max=0}",
        "flow-refine: max=0: 0 is too few; give 1 or more",
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder critic=tests by=fixer max=2,2}",
        "flow-refine: max=2,2: a number stands twice; give each once",
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder critic=tests by=fixer},flow-refine{agent=coder "
        "critic=tests by=fixer}",
        'flow.call @coder at "draft": it is widened already, by alternatives "coder '
        'refinement"; run flow-refine once, with all its options',
    ),
    (
        "flow-optional",
        "flow-optional{site=merged}",
        'flow.call @merger at "merged": operands 0, 1 could take its place; say which with '
        "through=N",
    ),
    (
        "flow-optional",
        "flow-optional{site=merged through=4}",
        'flow.call @merger at "merged": through=4 is no operand of type !flow.text; there are 0, 1',
    ),
    (
        "flow-optional",
        "flow-optional{site=draft}",
        'flow.call @writer at "draft": flow.call @merger at "merged" reads its result and '
        "does not mark it; write `optional` before that operand of a call or of "
        "flow.return if it can do without",
    ),
    (
        "flow-optional",
        "flow-optional{site=posted}",
        'flow.call @post at "posted": it may write, so it cannot be skipped; declare the '
        "effect of the tools behind it, `pure` or `reads`, if they do not write",
    ),
    (
        "flow-optional",
        "flow-optional{site=unread}",
        'flow.call @writer at "unread": nothing reads its result; run dce to drop it',
    ),
    (
        "flow-optional",
        "flow-optional{site=parsed}",
        'flow.call @parser at "parsed": no operand is !flow.json, so nothing can take its place',
    ),
    (
        "flow-optional",
        "flow-optional{site=format},flow-optional{site=format}",
        'flow.call @writer at "format": it is widened already, by alternatives "format '
        'optional"; run flow-optional once, with all its options',
    ),
    (
        "flow-space-stats",
        "flow-space-stats{workflow=none}",
        "no workflow @none; there are sub, w",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency",
        "flow-self-consistency: nothing says what to widen; give agent=NAME or site=…",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{site=posted}",
        'flow.call @post at "posted": a tool asked again answers the same; vote over '
        "agents' answers",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=coder site=kind}",
        "flow.call @router (%kind): it does not call @coder; leave out agent=coder",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=coder workflow=nowhere}",
        "flow-self-consistency: no workflow @nowhere; there are @twice, @publish, @entry",
    ),
    (
        "flow-self-consistency",
        "flow-self-consistency{agent=coder workflow=entry}",
        "flow-self-consistency: no flow.call calls @coder in @entry; only calls are widened",
    ),
    (
        "flow-cascade",
        "flow-cascade{agent=coder until=tests tiers=11}",
        "flow-cascade: more than 10 tiers; give fewer",
    ),
    (
        "flow-refine",
        "flow-refine{agent=coder}",
        "flow-refine: somebody has to reject; give critic=NAME",
    ),
    (
        "flow-optional",
        "flow-optional",
        "flow-optional: nothing says what may be skipped; give site=NAME",
    ),
]


@pytest.mark.parametrize(("module", "pipeline", "message"), REFUSED)
def test_refusals_say_what_where_and_the_mend(
    module: str, pipeline: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opt.main([str(MODULES / f"{module}.mlir"), "-p", pipeline]) == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.split("error: ", 1)[1].split("\n")[0] == message


def test_the_same_choice_by_another_hand_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "w.mlir"
    module.write_text(
        'flow.agent @coder prompt "{x}" space <models = ["m"]>\n'
        "flow.workflow @w(%x: !flow.text) -> !flow.text {\n"
        '%a = flow.alternatives "coder votes" -> !flow.text "alone" {\n'
        "%b = flow.call @coder(%x) : (!flow.text) -> !flow.text\n"
        "flow.yield %b : !flow.text }\n"
        "flow.return %a : !flow.text }\n"
    )
    assert opt.main([str(module), "-p", "flow-self-consistency{agent=coder}"]) == 1
    assert (
        'flow.call @coder at "b": alternatives "coder votes" are there already; '
        "run flow-self-consistency once, with all its options, or rename them"
    ) in capsys.readouterr().err


def test_help_needs_no_numbers() -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom flowir.cli.opt import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
