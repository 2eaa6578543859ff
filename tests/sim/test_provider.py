"""The simulated provider: what it reads from text, what it refuses, and its random numbers."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Case,
    Checker,
    Decision,
    Fallback,
    Join,
    Map,
    Refine,
    Select,
    Structure,
    Term,
    ToolCall,
    Vote,
    Workflow,
)
from flowir.configuration import Configuration
from flowir.errors import CalculusError, SimulationError
from flowir.runtime.llm import Completion
from flowir.sim.clock import run
from flowir.sim.draws import Draw, Draws
from flowir.sim.marks import Mark, find, find_all, right_answer, wrong_answer
from flowir.sim.provider import SimulatedProvider
from flowir.sim.reading import Reading, Readings
from flowir.sim.simulation import Simulation

PARAMS = {"temperature": 0.7}
RIGHT = right_answer(0)
WRONG = wrong_answer(0, "ab12")


def _model(**more: Any) -> CallModel:
    one = np.ones((1, 1))
    fields = {"success": one, "log_latency": 0 * one, "latency_scale": 0 * one, "cost": one}
    return CallModel(**{**fields, **more})


def _workflow(*terms: Term, decisions: int = 1) -> Workflow:
    configuration = Configuration("m", params=(("temperature", 0.7),))
    listed = tuple(Decision("w", f"agent{i}", "", (configuration,)) for i in range(decisions))
    return Workflow("w", Block(terms, terms[-1].output, (0,)), listed)


def _simulation(
    workflow: Workflow,
    models: Sequence[CallModel] | None = None,
    settings: Sequence[int] | None = None,
    checkers: dict[str, CheckerModel] | None = None,
    **options: Any,
) -> Simulation:
    count = len(workflow.decisions)
    scenarios = Scenarios(1, 1, tuple(models or [_model()] * count), checkers or {})
    return Simulation(workflow, settings or [0] * count, scenarios, **options)


def _provider(simulation: Simulation) -> SimulatedProvider:
    return SimulatedProvider(simulation, 0)


def _ask(
    simulation: Simulation | SimulatedProvider,
    site: str,
    *shown: str,
    model: str = "m",
    **params: Any,
) -> Completion:
    provider = simulation if isinstance(simulation, SimulatedProvider) else _provider(simulation)
    messages = [{"role": "user", "content": text} for text in shown]
    return run(provider.llm(site, messages, model=model, **(PARAMS | params)))


def _use(simulation: Simulation, tool: str, *arguments: object) -> object:
    async def main() -> object:
        return await _provider(simulation).tools[tool](*arguments)

    return run(main())


DRAFT = Call("draft", 0, (0,), 1)
ALWAYS, NEVER = CheckerModel(np.ones(1), np.zeros(1)), CheckerModel(np.zeros(1), np.ones(1))


# Marks


@given(st.text(), st.lists(st.tuples(st.booleans(), st.integers(0, 40))), st.text("xyz {}\n"))
def test_marks_are_found_in_order_inside_any_text(
    before: str, answers: list[tuple[bool, int]], between: str
) -> None:
    words = [right_answer(t) if right else wrong_answer(t, "0f") for right, t in answers]
    text = before + between.join(["", *words, ""])
    expected = [Mark(topic, right) for right, topic in answers]
    assert find(text) == expected
    assert find(json.dumps(text)) == expected
    assert find_all([{"k": (text, 3, None)}]) == expected


@pytest.mark.parametrize("mark", [RIGHT, WRONG, wrong_answer(12)])
def test_a_mark_is_one_lower_case_word(mark: str) -> None:
    assert mark == mark.strip().lower()
    assert mark.replace("_", "").isalnum()


# Readings


def _read(terms: Sequence[Term], value: int) -> Reading:
    return Readings(Block(tuple(terms), value, (0,))).of(value).renamed({"a": 0, "b": 1, "c": 2})


A, B, C = Call("a", 0, (0,), 1), Call("b", 0, (0,), 2), Call("c", 0, (0,), 3)
CHECK = Checker("t", "check")


@pytest.mark.parametrize(
    ("terms", "marks", "right"),
    [
        ((A, Call("b", 0, (1,), 2)), "A b", False),
        ((A, Call("b", 0, (1,), 2)), "a B", True),
        ((A, B, Join("all", (1, 2), 9)), "A b", False),
        ((A, B, Join("any", (1, 2), 9)), "A b", True),
        ((A, B, Join("any", (1, 2), 9)), "a b", False),
        ((A, B, Join("any", (0, 2), 9)), "b", True),
        ((A, B, C, Join("any", (1, 2), 8), Join("concat", (8, 3), 9)), "A b C", True),
        ((A, B, C, Join("any", (1, 2), 8), Join("concat", (8, 3), 9)), "A B c", False),
        ((A, B, C, Join("concat", (1, 2), 8), Join("any", (8, 3), 9)), "A b c", False),
        ((A, B, C, Join("concat", (1, 2), 8), Join("any", (8, 3), 9)), "A b C", True),
        ((A, B, Vote((1, 2), 9)), "A", True),
        ((A, B, Select("s", 0, (0,), (1, 2), 9)), "b", False),
        ((A, ToolCall("t", "t", (0, 1), 9)), "a", False),
        ((Fallback("f", CHECK, (Block((A,), 1), Block((B,), 2)), 9),), "B", True),
        ((Branch("r", 0, (Case("x", Block((A,), 1)), Case(None, Block((), 0))), 9),), "", True),
        ((A, Refine("r", CHECK, 1, Block((B,), 2, (7, 8)), 2, 9)), "b", False),
        ((A, Refine("r", CHECK, 1, Block((), 7, (7, 8)), 2, 9)), "a", False),
        ((Map("m", 0, Block((A,), 1, (7,)), 2, 4, 9),), "A A a", False),
    ],
)
def test_which_marks_make_a_value_right(terms: tuple[Term, ...], marks: str, right: bool) -> None:
    found = [Mark("abc".index(word.lower()), word.isupper()) for word in marks.split()]
    reading = _read(terms, terms[-1].output)
    assert reading.missing(found) is None
    assert reading.right(found) == right


def test_any_of_answers_to_the_same_question_needs_one_right_among_them() -> None:
    terms = (A, B, Join("any", (1, 2), 9), Vote((1, 2), 8))
    reading = Readings(Block(terms, 9, (0,))).of(9).renamed({"a": 0, "b": 0})
    assert reading.right([Mark(0, False), Mark(0, True)])
    assert not reading.right([Mark(0, False), Mark(0, False)])


@pytest.mark.parametrize(
    ("terms", "marks", "missing"),
    [
        ((A, B, Join("all", (1, 2), 9)), "a", True),
        ((A, B, Vote((1, 2), 9)), "a", False),
        ((A, B, Vote((1, 2), 9)), "", True),
        ((A, B, Vote((0, 2), 9)), "", False),
        ((Map("m", 0, Block((A,), 1, (7,)), 2, 4, 9),), "", False),
        ((A, Map("m", 1, Block((B,), 2, (7,)), 2, 4, 9)), "", True),
        ((A, B, Join("all", (1, 2), 3), Map("m", 3, Block((), 7, (7,)), 2, 2, 9)), "a", False),
    ],
)
def test_an_answer_that_must_be_there_is_missed(
    terms: tuple[Term, ...], marks: str, missing: bool
) -> None:
    found = [Mark("ab".index(word), False) for word in marks.split()]
    assert (_read(terms, terms[-1].output).missing(found) is not None) == missing


# Answers


def test_latency_money_and_tokens_are_the_scenarios() -> None:
    model = _model(log_latency=np.full((1, 1), math.log(2.5)), output_tokens=np.full((1, 1), 41.7))
    provider = SimulatedProvider(_simulation(_workflow(DRAFT), [model]), 0)

    async def main() -> tuple[Completion, float]:
        message = {"role": "user", "content": "x" * 41}
        completion = await provider.llm("draft", [message], model="m", **PARAMS)
        return completion, asyncio.get_running_loop().time()

    completion, seconds = run(main())
    assert seconds == pytest.approx(2.5)
    assert (completion.text, completion.model, completion.ttft_s) == (RIGHT, "m", None)
    assert (completion.usage.output_tokens, completion.usage.input_tokens) == (42, 11)
    assert provider.cost_usd == 1.0
    assert provider.calls == {"draft": 1}


@pytest.mark.parametrize("agreement", [0.0, 1.0, None])
def test_wrong_answers_agree_or_differ(agreement: float | None) -> None:
    model = _model(
        success=np.zeros((1, 1)),
        wrong_agreement=None if agreement is None else np.full((1, 1), agreement),
    )
    provider = SimulatedProvider(_simulation(_workflow(DRAFT), [model]), 0)
    answers = {_ask(provider, "draft", "same").text for _ in range(20)}
    assert len(answers) == (20 if agreement == 0.0 else 1)
    assert not any(mark.right for mark in find(" ".join(answers)))


def test_candidates_of_a_vote_share_their_right_answer_and_others_do_not() -> None:
    calls = [Call(site, 0, (0,), i) for i, site in enumerate("abc", 1)]
    simulation = _simulation(_workflow(*calls, Vote((2, 3), 4), Join("all", (1, 4), 5)))
    a, b, c = (_ask(simulation, site, "x").text for site in "abc")
    assert a != b == c


def test_a_selector_answers_with_a_number_of_the_right_kind() -> None:
    terms = (A, B, C, Select("pick", 1, (0,), (1, 2, 3), 9))
    shown = [wrong_answer(0, "1"), right_answer(1), wrong_answer(2)]
    for success, expected in ((1.0, {"2"}), (0.0, {"1", "3"})):
        models = [_model(), _model(success=np.full((1, 1), success))]
        provider = SimulatedProvider(_simulation(_workflow(*terms, decisions=2), models), 0)
        assert {_ask(provider, "pick", *shown).text for _ in range(40)} == expected
    provider = SimulatedProvider(_simulation(_workflow(*terms, decisions=2)), 0)
    nothing_right = [wrong_answer(topic) for topic in range(3)]
    assert {_ask(provider, "pick", *nothing_right).text for _ in range(60)} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("parser", "expected"),
    [
        ("text", RIGHT),
        ("label", RIGHT),
        ("json", json.dumps(RIGHT)),
        ("code", f"```\n{RIGHT}\n```"),
    ],
)
def test_answers_are_written_for_their_parser(parser: str, expected: str) -> None:
    simulation = _simulation(_workflow(DRAFT), parsers={"agent0": parser})
    assert _ask(simulation, "draft", "x").text == expected


def test_label_probabilities_that_do_not_reach_one_fall_to_else() -> None:
    cases = (Case("yes", Block((), 0)), Case(None, Block((), 0)))
    terms = (Call("kind", 0, (0,), 1), Branch("route", 1, cases, 2))
    for p, expected in ((0.0, "simulated_other_label"), (1.0, "yes")):
        model = _model(labels={"yes": np.full((1, 1), p)})
        assert _ask(_simulation(_workflow(*terms), [model]), "kind", "x").text == expected


# Tools


@pytest.mark.parametrize(("rates", "verdicts"), [(ALWAYS, (True, False)), (NEVER, (False, True))])
def test_a_checker_judges_its_last_argument(
    rates: CheckerModel, verdicts: tuple[bool, bool]
) -> None:
    fallback = Fallback("kept", Checker("ok", "kept.check"), (Block((DRAFT,), 1),) * 2, 2)
    simulation = _simulation(_workflow(fallback), checkers={"ok": rates})
    assert _use(simulation, "ok", "task", RIGHT) is verdicts[0]
    assert _use(simulation, "ok", "task", WRONG) is verdicts[1]
    with pytest.raises(SimulationError, match="what checker @ok judges lacks an answer"):
        _use(simulation, "ok", RIGHT, "no answer")


def test_verdicts_on_the_same_text_are_drawn_anew() -> None:
    fallback = Fallback("kept", Checker("ok", "kept.check"), (Block((DRAFT,), 1),) * 2, 2)
    half = CheckerModel(np.full(1, 0.5), np.full(1, 0.5))
    simulation = _simulation(_workflow(fallback), checkers={"ok": half})

    async def main() -> list[object]:
        tools = _provider(simulation).tools
        return [await tools["ok"](RIGHT) for _ in range(200)]

    accepted = run(main()).count(True)
    assert 60 < accepted < 140


def test_other_tools_pass_the_answers_on() -> None:
    simulation = _simulation(_workflow(DRAFT, ToolCall("tidy", "tidy", (0, 1), 2, 3.0)))
    assert list(_provider(simulation).tools) == ["tidy"]
    assert _use(simulation, "tidy", "the task", RIGHT) == RIGHT
    assert _use(simulation, "tidy", RIGHT, "the task") == RIGHT
    assert _use(simulation, "tidy", "one", "two") == "two"
    assert _use(simulation, "tidy", [RIGHT, WRONG], "x") == [RIGHT, WRONG]
    assert _use(simulation, "tidy", RIGHT, WRONG) == f"{RIGHT}\n{WRONG}"
    assert _use(simulation, "key_of_a_vote", RIGHT) == RIGHT


def test_a_tool_that_a_map_goes_through_gives_a_list() -> None:
    body = Block((Call("work", 1, (7,), 8),), 8, (7,))
    split = ToolCall("split", "split", (1,), 2)
    workflow = _workflow(DRAFT, split, Map("each", 2, body, 3, 5, 3), decisions=2)
    simulation = _simulation(workflow)
    items = _use(simulation, "split", WRONG)
    assert isinstance(items, list)
    assert len(set(items)) == 3
    assert find_all(items) == [Mark(0, False)] * 3
    assert _use(simulation, "split", [RIGHT]) == [RIGHT]


# The result


def test_the_result_is_read_from_its_marks() -> None:
    simulation = _simulation(_workflow(DRAFT))
    assert simulation.rightness(f"It is {RIGHT}.") == 1.0
    assert simulation.rightness({"answer": WRONG}) == 0.0
    with pytest.raises(SimulationError, match="the result of workflow w lacks an answer"):
        simulation.rightness("lost")


def test_a_mean_map_counts_right_items() -> None:
    body = Block((Call("work", 0, (7,), 8),), 8, (7,))
    simulation = _simulation(_workflow(Map("each", 0, body, 3, 5, 3, mean=True)))
    assert simulation.rightness([RIGHT, WRONG, RIGHT, RIGHT]) == 0.75
    assert simulation.rightness([]) == 1.0


# Refusals


def test_a_site_the_workflow_lacks() -> None:
    with pytest.raises(SimulationError, match=r"site 'drafts': .* calls a model only at draft;"):
        _ask(_simulation(_workflow(DRAFT)), "drafts", "x")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"model": "n"}, r"asks for n, the settings say m, budget high, temperature 0\.7"),
        ({"temperature": 0.1}, r"asks for temperature 0\.1, the settings say m"),
        ({"temperature": None}, "asks for temperature None"),
        ({"budget": "low"}, "asks for budget low"),
        ({"budget": None}, "asks for budget None"),
    ],
)
def test_another_configuration_than_the_settings_say(asked: dict[str, Any], message: str) -> None:
    chosen = Configuration("m", "high", (("temperature", 0.7),))
    decision = Decision("w", "agent0", "", (chosen,))
    simulation = _simulation(Workflow("w", Block((DRAFT,), 1, (0,)), (decision,)))
    assert _ask(simulation, "draft", "x", budget="high", top_p=0.9).text == RIGHT
    with pytest.raises(SimulationError, match=message):
        _ask(simulation, "draft", "x", **({"budget": "high"} | asked))


def test_a_budget_that_was_not_chosen() -> None:
    with pytest.raises(SimulationError, match="asks for budget 512"):
        _ask(_simulation(_workflow(DRAFT)), "draft", "x", budget=512)


def test_a_prompt_that_lost_an_operand() -> None:
    simulation = _simulation(_workflow(DRAFT, Call("polish", 0, (0, 1), 2)))
    with pytest.raises(SimulationError, match="the prompt at site 'polish' lacks an answer"):
        _ask(simulation, "polish", "only the task")


def test_a_selector_that_is_not_shown_every_candidate() -> None:
    terms = (A, B, Select("pick", 0, (0,), (1, 2), 9))
    with pytest.raises(SimulationError, match="shows 1 answers, but there are 2 candidates"):
        _ask(_simulation(_workflow(*terms)), "pick", right_answer(0))


@pytest.mark.parametrize(
    ("settings", "models", "message"),
    [
        ([0, 0], 1, "has 1 decisions, but 2 settings"),
        ([0], 2, "scenarios of 2 were given"),
        ([1], 1, "agent agent0: setting 1 is none of its 1 configurations"),
        ([-1], 1, "setting -1 is none of"),
    ],
)
def test_settings_that_do_not_fit(settings: list[int], models: int, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        _simulation(_workflow(DRAFT), [_model()] * models, settings)


def test_what_is_not_known() -> None:
    unknown = np.full((1, 1), np.nan)
    with pytest.raises(SimulationError, match=r"agent agent0, m, .*`log_latency` is not known"):
        _simulation(_workflow(DRAFT), [_model(log_latency=unknown)])
    fallback = Fallback("kept", Checker("ok", "kept.check"), (Block((DRAFT,), 1),) * 2, 2)
    with pytest.raises(CalculusError, match="checker @ok"):
        _simulation(_workflow(fallback))
    unpriced = SimulatedProvider(_simulation(_workflow(DRAFT), [_model(cost=unknown)]), 0)
    _ask(unpriced, "draft", "x")
    assert math.isnan(unpriced.cost_usd)


def test_a_decision_that_is_never_used_need_not_be_known() -> None:
    unknown = np.full((1, 1), np.nan)
    workflow = _workflow(DRAFT, decisions=2)
    simulation = _simulation(workflow, [_model(), _model(success=unknown)])
    assert _ask(simulation, "draft", "x").text == RIGHT


def test_alternatives_must_be_chosen_first() -> None:
    choice = Alternatives("strategy", (("once", Block((DRAFT,), 1)),), 2)
    listed = _workflow(choice)
    workflow = Workflow("w", listed.body, listed.decisions, (Structure("strategy", ("once",)),))
    with pytest.raises(SimulationError, match=r"alternatives are left \(strategy\); specialise"):
        _simulation(workflow)
    assert _simulation(workflow.specialise({"strategy": "once"})).roles.sites.keys() == {"draft"}


def test_one_name_for_two_things() -> None:
    with pytest.raises(SimulationError, match="site 'a' stands for two different things"):
        _simulation(_workflow(A, Call("a", 0, (1,), 2)))
    fallback = Fallback("kept", Checker("t", "kept.check"), (Block((A,), 1),) * 2, 2)
    with pytest.raises(SimulationError, match="tool @t stands for two different things"):
        _simulation(_workflow(fallback, ToolCall("t", "t", (2,), 3)), checkers={"t": ALWAYS})


def test_a_scenario_that_is_not_there() -> None:
    with pytest.raises(SimulationError, match="scenario 1: there are 1, counted from 0"):
        SimulatedProvider(_simulation(_workflow(DRAFT)), 1)


# Draws


def test_draws_depend_on_what_is_given_and_how_often_only() -> None:
    one, two = Draws(1, 2, 3), Draws(1, 2, 3)
    first = [one.next("a", "x"), one.next("b", "x"), one.next("a", "x"), one.next("a", "y")]
    second = [two.next("a", "y"), two.next("a", "x"), two.next("a", "x"), two.next("b", "x")]
    numbers = [[draw.uniform(slot) for slot in range(4)] for draw in first]
    assert [numbers[i] for i in (3, 0, 2, 1)] == [
        [draw.uniform(slot) for slot in range(4)] for draw in second
    ]
    assert len({u for row in numbers for u in row}) == 16


@pytest.mark.parametrize("key", [(0, 2, 3), (1, 0, 3), (1, 2, 0), (12, 3, 0)])
def test_seed_sample_and_scenario_all_count(key: tuple[int, int, int]) -> None:
    assert Draws(1, 2, 3).next("a", "x").uniform(0) != Draws(*key).next("a", "x").uniform(0)


def test_slots_are_uniform_normal_and_uncorrelated() -> None:
    draws = Draws(0, 0, 0)
    listed = [draws.next("a", "x") for _ in range(20_000)]
    uniform = np.array([[draw.uniform(slot) for slot in range(4)] for draw in listed])
    counts = np.array([np.histogram(column, 20, (0, 1))[0] for column in uniform.T])
    chi_squared = ((counts - 1000) ** 2 / 1000).sum(axis=1)
    assert (chi_squared < 45).all()  # 19 degrees of freedom: exceeded with probability 7e-4
    assert np.abs(np.corrcoef(uniform.T) - np.eye(4)).max() < 0.03
    normal = np.array([draw.normal(Draw.LATENCY) for draw in listed])
    assert abs(normal.mean()) < 0.03
    assert normal.std() == pytest.approx(1.0, abs=0.02)
    assert np.mean(np.abs(normal) > 1.959964) == pytest.approx(0.05, abs=0.006)
    assert len({draw.serial for draw in listed}) == len(listed)


def test_the_extreme_draws_are_inside_the_open_interval() -> None:
    for byte in (b"\x00", b"\xff"):
        draw = Draw(byte * 40)
        assert 0.0 < draw.uniform(0) < 1.0
        assert math.isfinite(draw.normal(0))
