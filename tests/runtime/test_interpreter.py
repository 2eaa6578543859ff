"""The reference interpreter, rule by rule, on workflows small enough to follow by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from flowir.configuration import Configuration
from flowir.errors import EmissionError
from flowir.runtime.answers import known_labels
from flowir.runtime.choices import Choices
from flowir.runtime.interpreter import Interpretation, interpret
from flowir.runtime.llm import Completion, Message, Usage
from flowir.runtime.values import InterpretationError
from flowir.sim import clock
from tests.strategies_ir import entry, parse

SPACE = 'space <models = ["m"]>'


class Model:
    """Answers with what is scripted for a site, in order; a second per call, or as scripted."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {site: list(texts) for site, texts in answers.items()}
        self.asked: list[tuple[float, str, str]] = []

    async def llm(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        self.asked.append((_now(), node, messages[-1]["content"]))
        await asyncio.sleep(1)
        text = self.answers[node].pop(0) if node in self.answers else f"{node}!"
        return Completion(text, Usage(1, 1), None, model)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _run(
    text: str,
    *values: Any,
    model: Model | None = None,
    tools: Mapping[str, Any] | None = None,
    **choices: Any,
) -> Interpretation:
    workflow = entry(parse(text))
    model = model or Model()
    return clock.run(interpret(workflow, values, model.llm, tools or {}, **choices))


def _sites(run: Interpretation) -> list[str]:
    return [call.site for call in run.calls]


def test_calls_without_a_path_between_them_run_at_the_same_time() -> None:
    """a and b at once; c waits for a only, d for both."""
    model = Model()
    _run(
        f"""
        flow.agent @x prompt "{{p}} {{q}}" {SPACE}
        flow.workflow @w(%t: !flow.text) -> !flow.text {{
          %a = flow.call @x(%t, %t) : (!flow.text, !flow.text) -> !flow.text
          %b = flow.call @x(%t, %t) : (!flow.text, !flow.text) -> !flow.text
          %c = flow.call @x(%a, %t) : (!flow.text, !flow.text) -> !flow.text
          %d = flow.call @x(%c, %b) : (!flow.text, !flow.text) -> !flow.text
          flow.return %d : !flow.text
        }}""",
        "task",
        model=model,
    )
    assert model.asked == [
        (0, "a", "task task"), (0, "b", "task task"), (1, "c", "a! task"), (2, "d", "c! b!"),
    ]  # fmt: skip


FALLBACK = f"""
flow.agent @x prompt "{{t}}" {SPACE}
flow.agent @critic prompt "{{t}} {{v}}" {SPACE}
flow.workflow @w(%t: !flow.text) -> !flow.text {{
  %kept = flow.fallback until @critic(%t : !flow.text) max 3 -> !flow.text {{
    %try = flow.call @x(%t) : (!flow.text) -> !flow.text
    flow.yield %try : !flow.text
  }}
  flow.return %kept : !flow.text
}}"""


@pytest.mark.parametrize(
    ("verdicts", "value", "checks"),
    [(["ACCEPT"], "1", 1), (["no", "accepted."], "2", 2), (["REJECT", "reject"], "3", 2)],
)
def test_a_fallback_stops_at_the_first_accepted_and_never_checks_the_last(
    verdicts: list[str], value: str, checks: int
) -> None:
    model = Model(**{"try": ["1", "2", "3"], "kept.check": list(verdicts)})
    run = _run(FALLBACK, "task", model=model)
    assert run.value == value
    assert _sites(run) == ["try", "kept.check"] * checks + ["try"] * (int(value) - checks)
    assert model.asked[1][2] == "task 1"


def test_a_refine_checks_first_and_hands_the_feedback_on() -> None:
    text = f"""
    flow.agent @critic prompt "{{v}}" {SPACE}
    flow.agent @fix prompt "{{v}}: {{f}}" {SPACE}
    flow.workflow @w(%t: !flow.text) -> !flow.text {{
      %best = flow.refine(%v, %f) from %t : !flow.text max 2 until @critic {{
        %fixed = flow.call @fix(%v, %f) : (!flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }}
      flow.return %best : !flow.text
    }}"""
    assert _sites(_run(text, "good", model=Model(**{"best.check": ["ACCEPT"]}))) == ["best.check"]
    model = Model(**{"best.check": ["REJECT: {short}", "what?"]})
    run = _run(text, "bad", model=model)
    assert run.value == "fixed!"
    assert [asked for _, _, asked in model.asked] == [
        "bad", "bad: {short}", "fixed!", "fixed!: what?",
    ]  # fmt: skip


MAP = f"""
flow.agent @x prompt "{{i}}" {SPACE}
flow.workflow @w(%l: !flow.list<!flow.text>) -> !flow.list<!flow.text> {{
  %r = flow.map(%i) in %l : !flow.list<!flow.text> max 3 -> !flow.list<!flow.text> {{
    %y = flow.call @x(%i) : (!flow.text) -> !flow.text
    flow.yield %y : !flow.text
  }}
  flow.return %r : !flow.list<!flow.text>
}}"""


def test_a_map_keeps_the_order_and_runs_all_items_at_once() -> None:
    model = Model()
    assert _run(MAP, ["a", "b"], model=model).value == ["y!", "y!"]
    assert model.asked == [(0, "y", "a"), (0, "y", "b")]
    assert _run(MAP, []).value == []
    with pytest.raises(ExceptionGroup) as caught:
        _run(MAP, list("abcd"))
    assert caught.group_contains(InterpretationError, match="4 items, but max is 3")


def test_votes_selections_and_concatenation() -> None:
    text = f"""
    flow.agent @x prompt "{{t}}" {SPACE}
    flow.agent @judge prompt "{{t}}|{{c}}" {SPACE}
    flow.tool @key impl "a:b" effect pure
    flow.workflow @w(%t: !flow.text) -> !flow.list<!flow.text> {{
      %a = flow.call @x(%t) : (!flow.text) -> !flow.text
      %b = flow.call @x(%t) : (!flow.text) -> !flow.text
      %c = flow.call @x(%t) : (!flow.text) -> !flow.text
      %v = flow.join vote(%a, %b, %c) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      %k = flow.join vote(%a, %b, %c) key @key : (!flow.text, !flow.text, !flow.text) -> !flow.text
      %s = flow.join select(%a, %b) by @judge(%t : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      %m = flow.join concat(%a, %b) : (!flow.text, !flow.text) -> !flow.text
      %l = flow.join all(%v, %k, %s, %m)
        : (!flow.text, !flow.text, !flow.text, !flow.text) -> !flow.list<!flow.text>
      flow.return %l : !flow.list<!flow.text>
    }}"""
    model = Model(a=["x1"], b=["y "], c=["y"], s=["I pick 2."])
    run = _run(text, "t", model=model, tools={"key": lambda value: value[-1]})
    assert run.value == ["y ", "x1", "y ", "x1\n\ny "]
    assert model.asked[-1] == (1, "s", "t|1. x1\n2. y ")


def test_labels_are_read_among_those_that_branches_look_for() -> None:
    text = f"""
    flow.agent @route prompt "{{t}}" -> !flow.label {SPACE}
    flow.agent @x prompt "{{t}}" {SPACE}
    flow.workflow @w(%t: !flow.text) -> !flow.text {{
      %a = flow.call @route(%t) : (!flow.text) -> !flow.label
      %b = flow.call @route(%t) : (!flow.text) -> !flow.label
      %kind = flow.join vote(%a, %b) : (!flow.label, !flow.label) -> !flow.label
      %r = flow.branch %kind : !flow.label -> !flow.text
        "Hard" {{
          %h = flow.call @x(%t) : (!flow.text) -> !flow.text
          flow.yield %h : !flow.text
        }}
        else {{
          flow.yield %t : !flow.text
        }}
      flow.return %r : !flow.text
    }}"""
    assert known_labels(entry(parse(text))) == {"route": ("Hard",)}
    assert _run(text, "t", model=Model(a=["**hard**"], b=["easy"])).value == "h!"
    assert _run(text, "t", model=Model(a=["hardly"], b=["easy"])).value == "t"


def test_prompts_show_lists_numbered_and_other_values_as_json() -> None:
    model = Model()
    _run(
        f"""
        flow.agent @x system "{{{{b}}}}" prompt "{{l}}/{{j}}/{{b}}/{{t}}" {SPACE}
        flow.workflow @w(
          %l: !flow.list<!flow.json>, %j: !flow.json, %b: !flow.bool, %t: !flow.text
        ) -> !flow.text {{
          %a = flow.call @x(%l, %j, %b, %t)
            : (!flow.list<!flow.json>, !flow.json, !flow.bool, !flow.text) -> !flow.text
          flow.return %a : !flow.text
        }}""",
        [1, "é"], {"k": None}, True, "{t}",
        model=model,
    )  # fmt: skip
    assert model.asked[0][2] == '1. 1\n2. "é"/{"k": null}/true/{t}'


def test_tools_get_values_and_checkers_may_say_why() -> None:
    text = f"""
    flow.agent @fix prompt "{{f}}" {SPACE}
    flow.tool @look impl "a:b" -> !flow.json effect pure
    flow.tool @check impl "a:c" -> !flow.bool effect pure
    flow.workflow @w(%t: !flow.text) -> !flow.text {{
      %j = flow.call @look(%t) : (!flow.text) -> !flow.json
      %r = flow.refine(%v, %f) from %t : !flow.text max 1 until @check(%j : !flow.json) {{
        %y = flow.call @fix(%f) : (!flow.text) -> !flow.text
        flow.yield %y : !flow.text
      }}
      flow.return %r : !flow.text
    }}"""
    seen: list[Any] = []

    async def check(*values: Any) -> tuple[bool, str]:
        seen.extend(values)
        return False, "longer"

    run = _run(text, "t", tools={"look": lambda t: {"of": t}, "check": check})
    assert run.value == "y!"
    assert seen == [{"of": "t"}, "t"]
    assert run.calls[0].messages == (("user", "longer"),)


CALLING = """
flow.agent @x prompt "{t}" space <models = ["m1", "m2"]> baseline <"m2">
flow.workflow @inner(%q: !flow.text) -> !flow.text {
  %r = flow.alternatives "how" -> !flow.text
    "once" {
      %a = flow.call @x(%q) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    "never" {
      flow.yield %q : !flow.text
    }
  flow.return %r : !flow.text
}
flow.workflow @outer(%t: !flow.text) -> !flow.text {
  %one = flow.call @inner(%t) : (!flow.text) -> !flow.text
  %two = flow.call @inner(%one) : (!flow.text) -> !flow.text
  flow.return %two : !flow.text
}"""


def test_called_workflows_have_sites_decisions_and_choices_of_their_own() -> None:
    run = _run(CALLING, "t")
    assert run.value == "two.a!"
    assert _sites(run) == ["one.a", "two.a"]
    assert {call.configuration.model for call in run.calls} == {"m2"}
    chosen = Choices({}, {("x", "inner"): Configuration("m1")})
    assert _run(CALLING, "t", choices=chosen).calls[0].configuration.model == "m1"
    assert _run(CALLING, "t", choices=Choices({"inner.how": "never"}, {})).value == "t"


def test_answers_that_do_not_parse_and_labels_without_a_case_end_the_run() -> None:
    text = f"""
    flow.agent @x prompt "{{t}}" -> !flow.list<!flow.text> parser "json" {SPACE}
    flow.workflow @w(%t: !flow.text) -> !flow.list<!flow.text> {{
      %a = flow.call @x(%t) : (!flow.text) -> !flow.list<!flow.text>
      flow.return %a : !flow.list<!flow.text>
    }}"""
    assert _run(text, "t", model=Model(a=['So:\n```json\n["p"]\n```'])).value == ["p"]
    for answer in ("", "[1]", '{"a": 1}', "```\n[\n```"):
        with pytest.raises(ExceptionGroup) as caught:
            _run(text, "t", model=Model(a=[answer]))
        assert caught.group_contains(InterpretationError, match="^a: the answer is no JSON")


def test_what_runs_must_be_known() -> None:
    text = """
    flow.agent @x prompt "{t}"
    flow.workflow @w(%t: !flow.text) -> !flow.text {
      %a = flow.call @x(%t) : (!flow.text) -> !flow.text
      flow.return %a : !flow.text
    }"""
    with pytest.raises(EmissionError, match="nothing says which model @x runs on"):
        _run(text, "t")
    configured = text.replace("@x(%t)", '@x(%t) config <"m", budget = "high", top_p = 0.5>')
    assert str(_run(configured, "t").calls[0].configuration) == "m, budget high, top_p 0.5"
