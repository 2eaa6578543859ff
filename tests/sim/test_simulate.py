"""Hand-written programs on the simulated provider agree with closed forms worked out here.

Scenarios are heterogeneous, and every scenario serves equally often: what is compared is the mean
over scenarios of the closed form in each, and the only error is that of the draws.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
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
    ToolCall,
    Vote,
    Workflow,
)
from flowir.configuration import Configuration
from flowir.runtime.llm import LLM, Message, Tools
from flowir.sim.clock import DeadlockError
from flowir.sim.simulate import Simulated, simulate, standard_error

Array = npt.NDArray[np.float64]
S = 400
RUNS = 1200
SIGMAS = 4.0

rng = np.random.default_rng(20240607)


def _beta(a: float, b: float) -> Array:
    return rng.beta(a, b, size=S)


def _model(success: Array, **more: Any) -> CallModel:
    """A decision of two configurations: the second one is what the tests use."""

    def two(values: Array) -> Array:
        return np.stack([np.full(S, 0.123), values])

    labels = {label: two(p) for label, p in more.pop("labels", {}).items()}
    log_latency = more.pop("log_latency", rng.normal(0.5, 0.3, size=S))
    latency_scale = more.pop("latency_scale", np.full(S, 0.4))
    cost = more.pop("cost", rng.uniform(0.001, 0.01, size=S))
    price = more.pop("input_price", None)
    return CallModel(
        two(success),
        two(log_latency),
        two(latency_scale),
        two(cost),
        labels=labels,
        input_price=None if price is None else np.array([0.0, price]),
        **{name: two(values) for name, values in more.items()},
    )


def _decision(agent: str) -> Decision:
    return Decision("w", agent, "", (Configuration("poor"), Configuration(f"{agent}-model")))


async def _ask(llm: LLM, site: str, agent: str, *inputs: object) -> str:
    messages: list[Message] = [
        {"role": "system", "content": "You are a test."},
        {"role": "user", "content": "\n".join(map(str, inputs))},
    ]
    return (await llm(site, messages, model=f"{agent}-model")).text


def _workflow(body: Block, *agents: str) -> Workflow:
    return Workflow("w", body, tuple(map(_decision, agents)))


def _simulate(
    run_one: Any,
    workflow: Workflow,
    models: Sequence[CallModel],
    checkers: Mapping[str, CheckerModel] | None = None,
    **options: Any,
) -> Simulated:
    scenarios = Scenarios(20, S // 20, tuple(models), checkers or {})
    options = {"inputs": {"task": "a task"}, "samples": RUNS, "seed": 5, **options}
    return simulate(run_one, workflow, [1] * len(models), scenarios, **options)


def _agrees(simulated: Array, expected: Array | float) -> None:
    """The mean is within a few standard errors of the expected one."""
    error = standard_error(simulated)
    gap = float(simulated.mean() - np.mean(expected))
    assert abs(gap) < SIGMAS * error + 1e-12, f"off by {gap / error:.1f} standard errors"


DRAFT = Block((Call("draft", 0, (0,), 1),), 1, ())


def test_one_call_has_the_success_latency_and_money_of_its_scenario() -> None:
    model = _model(_beta(2, 1), output_tokens=np.full(S, 321.4))

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        return await _ask(llm, "draft", "coder", inputs["task"])

    result = _simulate(run, _workflow(DRAFT, "coder"), [model])
    _agrees(result.right, model.success[1])
    _agrees(result.latency_s, model.mean_latency[1])
    assert result.mean_cost_usd == pytest.approx(model.cost[1].mean(), rel=1e-12)
    assert result.source == "simulated"
    assert str(result).startswith(f"simulated, {RUNS} runs: accuracy ")
    assert result.calls_by_site == {"draft": RUNS}
    # The scatter of log latency around its scenario's location is the scenario's scale.
    noise = np.log(result.latency_s) - model.log_latency[1][result.scenario]
    assert noise.std() == pytest.approx(0.4, rel=0.05)
    assert abs(noise.mean()) < SIGMAS * 0.4 / math.sqrt(RUNS)


@pytest.mark.parametrize("observed", [False, True])
def test_a_call_with_a_wrong_input_recovers_as_often_as_was_observed(observed: bool) -> None:
    """P(right) = u·p + (1 − u)·p0, with p0 = 0 where nothing was observed."""
    first = _model(_beta(2, 1))
    recovery = _beta(1, 3)
    second = _model(_beta(4, 1), **({"recovery": recovery} if observed else {}))
    body = Block((*DRAFT.terms, Call("polish", 1, (1,), 2)), 2)

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        draft = await _ask(llm, "draft", "coder", inputs["task"])
        return await _ask(llm, "polish", "editor", "Improve:", draft)

    result = _simulate(run, _workflow(body, "coder", "editor"), [first, second])
    u, p = first.success[1], second.success[1]
    _agrees(result.right, u * p + (1 - u) * (recovery if observed else 0.0))
    _agrees(result.latency_s, first.mean_latency[1] + second.mean_latency[1])


def _retry(p: Array, right: Array, wrong: Array, attempts: int) -> tuple[Array, Array]:
    """Success and expected attempts, by summing over the attempt that is kept."""
    rejected = p * (1 - right) + (1 - p) * (1 - wrong)
    success = sum(rejected**k * p * right for k in range(attempts - 1))
    success = success + rejected ** (attempts - 1) * p
    return success, sum((rejected**k for k in range(attempts)), np.zeros(S))


def test_a_retry_loop_behind_a_checker() -> None:
    model = _model(_beta(1, 1))
    rates = CheckerModel(_beta(9, 1), _beta(1, 4))
    fallback = Fallback("kept", Checker("tests", "kept.check", latency_s=0.25), (DRAFT,) * 5, 2)

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        for attempt in range(5):
            draft = await _ask(llm, "draft", "coder", inputs["task"])
            if attempt == 4 or await tools["tests"](inputs["task"], draft):
                return draft
        raise AssertionError

    workflow = _workflow(Block((fallback,), 2), "coder")
    result = _simulate(run, workflow, [model], {"tests": rates})
    success, attempts = _retry(model.success[1], rates.accept_right, rates.accept_wrong, 5)
    checks = attempts - _last(model.success[1], rates, 4)
    _agrees(result.right, success)
    _agrees(result.calls, attempts)
    _agrees(result.latency_s, attempts * model.mean_latency[1] + 0.25 * checks)
    _agrees(result.cost_usd, attempts * model.cost[1])
    # Independence over the average query would promise far more than is simulated.
    flat = np.full(S, model.success[1].mean())
    assert result.accuracy < _retry(flat, rates.accept_right, rates.accept_wrong, 5)[0].mean() - 0.1


def _last(p: Array, rates: CheckerModel, checks: int) -> Array:
    rejected = p * (1 - rates.accept_right) + (1 - p) * (1 - rates.accept_wrong)
    return rejected**checks


def test_a_cascade_judged_by_an_agent_that_also_sees_a_wrong_draft() -> None:
    """The judge's verdict depends on the answer it judges, not on other answers in its prompt."""
    cheap, strong = _model(_beta(2, 2)), _model(_beta(5, 1))
    judge = _model(np.ones(S), accept_right=_beta(8, 1), accept_wrong=_beta(1, 6))
    tiers = (Block((Call("cheap", 0, (0,), 1),), 1), Block((Call("strong", 1, (0,), 2),), 2))
    outline = Call("outline", 3, (0,), 4)
    outliner = _model(_beta(1, 1))
    fallback = Fallback("kept", Checker("judge", "kept.check", decision=2), tiers, 3)

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        outline = await _ask(llm, "outline", "outliner", inputs["task"])
        answer = await _ask(llm, "cheap", "cheap", inputs["task"])
        verdict = await _ask(llm, "kept.check", "judge", outline, "Judge:", answer)
        if verdict.startswith("ACCEPT"):
            return answer
        assert verdict.startswith("REJECT: ")
        return await _ask(llm, "strong", "strong", inputs["task"])

    workflow = _workflow(Block((outline, fallback), 3), "cheap", "strong", "judge", "outliner")
    result = _simulate(run, workflow, [cheap, strong, judge, outliner])
    p, q = cheap.success[1], strong.success[1]
    assert judge.accept_right is not None
    assert judge.accept_wrong is not None
    a, b = judge.accept_right[1], judge.accept_wrong[1]
    rejected = p * (1 - a) + (1 - p) * (1 - b)
    _agrees(result.right, p * a + rejected * q)
    _agrees(result.calls, 3 + rejected)


def _plurality(answers: Sequence[str]) -> str:
    return max(answers, key=lambda a: (answers.count(a), -answers.index(a)))


def _vote_success(ps: Sequence[Array], gs: Sequence[Array]) -> Array:
    """Sum over every pattern of right, commonly wrong and singly wrong answers."""
    total = np.zeros(S)
    for pattern in itertools.product("rcu", repeat=len(ps)):
        answers = [f"u{i}" if kind == "u" else kind for i, kind in enumerate(pattern)]
        if _plurality(answers) == "r":
            weight = np.ones(S)
            for kind, p, g in zip(pattern, ps, gs, strict=True):
                weight = weight * {"r": p, "c": (1 - p) * g, "u": (1 - p) * (1 - g)}[kind]
            total += weight
    return total


def test_a_vote_over_texts_of_two_agents() -> None:
    one = _model(_beta(2, 2), wrong_agreement=_beta(2, 2), latency_scale=np.full(S, 0.6))
    two = _model(_beta(2, 2), wrong_agreement=_beta(2, 2))
    sites = (("a", 0), ("b", 0), ("c", 1), ("d", 1))
    calls = tuple(Call(site, d, (0,), 1 + i) for i, (site, d) in enumerate(sites))
    workflow = _workflow(Block((*calls, Vote((1, 2, 3, 4), 5)), 5), "one", "two")

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        asked = (_ask(llm, site, ("one", "two")[d], inputs["task"]) for site, d in sites)
        return _plurality(await asyncio.gather(*asked))

    result = _simulate(run, workflow, [one, two])
    assert one.wrong_agreement is not None
    assert two.wrong_agreement is not None
    ps = [one.success[1]] * 2 + [two.success[1]] * 2
    gs = [one.wrong_agreement[1]] * 2 + [two.wrong_agreement[1]] * 2
    _agrees(result.right, _vote_success(ps, gs))
    _agrees(result.latency_s, _expected_maximum([one, one, two, two]))
    assert result.calls.tolist() == [4.0] * RUNS


def _expected_maximum(models: Sequence[CallModel]) -> Array:
    """∫ 1 − Π F_i(t) dt of independent log-normals, per scenario."""
    grid = np.linspace(-9, 9, 4001)
    normal = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in grid])
    t = np.geomspace(1e-3, 1e3, 2001)
    below = np.ones((S, len(t)))
    for model in models:
        z = (np.log(t) - model.log_latency[1][:, None]) / model.latency_scale[1][:, None]
        below *= np.interp(z, grid, normal)
    above = 1 - below
    rest: Array = t[0] + (0.5 * (above[:, 1:] + above[:, :-1]) * np.diff(t)).sum(axis=-1)
    return rest


def test_a_selector_finds_a_right_candidate_if_there_is_one() -> None:
    coder = _model(_beta(2, 2), output_tokens=np.full(S, 200.0))
    picker = _model(_beta(3, 1), input_price=2e-5)
    calls = tuple(Call(f"draft_{i}", 0, (0,), 1 + i) for i in range(3))
    select = Select("pick", 1, (0,), (1, 2, 3), 4)
    workflow = _workflow(Block((*calls, select), 4), "coder", "picker")

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        drafts = await asyncio.gather(
            *(_ask(llm, f"draft_{i}", "coder", inputs["task"]) for i in range(3))
        )
        numbered = [f"{i}. {draft}" for i, draft in enumerate(drafts, 1)]
        return drafts[int(await _ask(llm, "pick", "picker", inputs["task"], *numbered)) - 1]

    result = _simulate(run, workflow, [coder, picker])
    p, s = coder.success[1], picker.success[1]
    # Where all candidates are right, a selector cannot pick a wrong one.
    _agrees(result.right, p**3 + s * (1 - p**3 - (1 - p) ** 3))
    _agrees(result.cost_usd, 3 * coder.cost[1] + picker.cost[1] + 2e-5 * 3 * 200)


def test_a_router_draws_its_label_and_a_branch_follows() -> None:
    easy = _beta(2, 2)
    router = _model(np.ones(S), labels={"easy": easy, "hard": (1 - easy) * 0.7})
    cheap, strong, other = _model(_beta(1, 1)), _model(_beta(5, 1)), _model(_beta(1, 5))
    sites = ("cheap", "strong", "other")
    blocks = [Block((Call(site, 1 + i, (0,), 10 + i),), 10 + i) for i, site in enumerate(sites)]
    cases = (Case("easy", blocks[0]), Case("hard", blocks[1]), Case(None, blocks[2]))
    branch = Branch("route", 1, cases, 2, router=0)
    body = Block((Call("kind", 0, (0,), 1), branch), 2)
    seen: set[str] = set()

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        label = await _ask(llm, "kind", "router", inputs["task"])
        seen.add(label)
        site = {"easy": "cheap", "hard": "strong"}.get(label, "other")
        return await _ask(llm, site, site, inputs["task"])

    models = [router, cheap, strong, other]
    result = _simulate(run, _workflow(body, "router", *sites), models)
    weights = [easy, (1 - easy) * 0.7, (1 - easy) * 0.3]
    shares = zip(weights, (cheap, strong, other), strict=True)
    _agrees(result.right, sum((w * m.success[1] for w, m in shares), np.zeros(S)))
    for site, weight in zip(sites, weights, strict=True):
        share = result.calls_by_site[site] / RUNS
        assert share == pytest.approx(weight.mean(), abs=SIGMAS * 0.5 / math.sqrt(RUNS))
    assert len(seen) == 3


def test_a_tool_that_routes_follows_the_given_weights() -> None:
    cases = (Case("a", DRAFT, 0.25), Case(None, Block((Call("b", 0, (0,), 3),), 3), 0.75))
    body = Block((ToolCall("kind", "classify", (0,), 4, 0.5), Branch("route", 4, cases, 5)), 5)

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        label = await tools["classify"](inputs["task"])
        return await _ask(llm, "draft" if label == "a" else "b", "coder", inputs["task"])

    model = _model(_beta(1, 1))
    result = _simulate(run, _workflow(body, "coder"), [model])
    assert result.calls_by_site["draft"] / RUNS == pytest.approx(
        0.25, abs=SIGMAS * 0.43 / math.sqrt(RUNS)
    )
    _agrees(result.latency_s, 0.5 + model.mean_latency[1])


@pytest.mark.parametrize("observed", [False, True])
def test_a_refine_loop_starts_afresh_or_recovers(observed: bool) -> None:
    """Right and wrong values walk a Markov chain; the chain is summed over all paths here."""
    writer = _model(_beta(1, 2))
    recovery = {"recovery": _beta(3, 1)} if observed else {}
    fixer = _model(_beta(2, 1), **recovery)
    critic = _model(np.ones(S), accept_right=_beta(8, 1), accept_wrong=_beta(1, 4))
    fix = Block((Call("fix", 1, (0, 10, 11), 12, fresh=True),), 12, (10, 11))
    refine = Refine("better", Checker("critic", "better.check", decision=2), 1, fix, 3, 2)
    workflow = _workflow(Block((*DRAFT.terms, refine), 2), "coder", "fixer", "critic")

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        value = await _ask(llm, "draft", "coder", inputs["task"])
        for _ in range(3):
            verdict = await _ask(llm, "better.check", "critic", inputs["task"], value)
            if verdict == "ACCEPT":
                break
            feedback = verdict.removeprefix("REJECT: ")
            value = await _ask(llm, "fix", "fixer", inputs["task"], value, feedback)
        return value

    result = _simulate(run, workflow, [writer, fixer, critic])
    p0 = fixer.recovery if observed else fixer.success
    assert p0 is not None
    success, calls, seconds = _paths(writer, fixer, critic, p0[1], 3)
    _agrees(result.right, success)
    _agrees(result.calls, calls)
    _agrees(result.latency_s, seconds)


def _paths(
    writer: CallModel, fixer: CallModel, critic: CallModel, p0: Array, left: int
) -> tuple[Array, Array, Array]:
    """Success, calls and seconds, by following every path through the loop."""
    assert critic.accept_right is not None
    assert critic.accept_wrong is not None
    accept = {True: critic.accept_right[1], False: critic.accept_wrong[1]}
    success, calls, seconds = np.zeros(S), np.zeros(S), np.zeros(S)

    def follow(right: bool, weight: Array, left: int, n: int, time: Array) -> None:
        nonlocal success, calls, seconds
        judged = time + (critic.mean_latency[1] if left else 0)
        done = weight * accept[right] if left else weight
        success = success + done * right
        calls = calls + done * (n + (1 if left else 0))
        seconds = seconds + done * judged
        if left:
            fixed = fixer.success[1] if right else p0
            again, later = weight * (1 - accept[right]), judged + fixer.mean_latency[1]
            follow(True, again * fixed, left - 1, n + 2, later)
            follow(False, again * (1 - fixed), left - 1, n + 2, later)

    p, first = writer.success[1], writer.mean_latency[1]
    follow(True, p, left, 1, first)
    follow(False, 1 - p, left, 1, first)
    return success, calls, seconds


@pytest.mark.parametrize("kind", ["all", "any", "concat"])
def test_what_a_list_shows_decides_whether_it_is_right(kind: str) -> None:
    one, two, last = _model(_beta(2, 1)), _model(_beta(1, 1)), _model(_beta(6, 1))
    body = Block(
        (
            Call("one", 0, (0,), 1),
            Call("two", 1, (0,), 2),
            Join(kind, (1, 2), 3),  # type: ignore[arg-type]
            ToolCall("tidy", "tidy", (3,), 4, 0.125),
            Call("last", 2, (0, 4), 5),
        ),
        5,
    )

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        both = await asyncio.gather(
            _ask(llm, "one", "one", inputs["task"]), _ask(llm, "two", "two", inputs["task"])
        )
        shown = await tools["tidy"]("\n".join(both) if kind == "concat" else list(both))
        return await _ask(llm, "last", "last", inputs["task"], shown)

    result = _simulate(run, _workflow(body, "one", "two", "last"), [one, two, last])
    p, q, r = one.success[1], two.success[1], last.success[1]
    right = 1 - (1 - p) * (1 - q) if kind == "any" else p * q
    _agrees(result.right, right * r)
    _agrees(result.latency_s, _expected_maximum([one, two]) + 0.125 + last.mean_latency[1])


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("parser", ["lines", "json"])
def test_a_map_over_a_list_that_a_model_wrote(mean: bool, parser: str) -> None:
    planner, worker = _model(_beta(4, 1)), _model(_beta(3, 1))
    item = Block((Call("work", 1, (10,), 11),), 11, (10,))
    body = Block((Call("plan", 0, (0,), 1), Map("each", 1, item, 3, 8, 2, mean=mean)), 2)

    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> list[str]:
        text = await _ask(llm, "plan", "planner", inputs["task"])
        items = json.loads(text) if parser == "json" else text.splitlines()
        assert len(set(items)) == 3
        return await asyncio.gather(*(_ask(llm, "work", "worker", item) for item in items))

    parsers = {"planner": parser} if parser == "json" else {}
    workflow = _workflow(body, "planner", "worker")
    result = _simulate(run, workflow, [planner, worker], parsers=parsers)
    p, q = planner.success[1], worker.success[1]
    _agrees(result.right, p * (q if mean else q**3))
    _agrees(result.latency_s, planner.mean_latency[1] + _expected_maximum([worker] * 3))
    if mean:
        assert set(np.unique(np.round(result.right * 3))) == {0.0, 1.0, 2.0, 3.0}


async def _vote_run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
    drafts = (_ask(llm, site, "coder", inputs["task"]) for site in "abc")
    return _plurality(await asyncio.gather(*drafts))


async def _vote_run_backwards(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
    async def later(site: str, delay: float) -> str:
        await asyncio.sleep(delay)
        return await _ask(llm, site, "coder", inputs["task"])

    return _plurality(await asyncio.gather(later("a", 100.0), later("b", 50.0), later("c", 0.0)))


VOTE = _workflow(
    Block((*(Call(site, 0, (0,), i) for i, site in enumerate("abc", 1)), Vote((1, 2, 3), 4)), 4),
    "coder",
)
VOTER = _model(_beta(2, 2), wrong_agreement=np.full(S, 0.5))


def _bytes(result: Simulated) -> bytes:
    arrays = (result.scenario, result.right, result.latency_s, result.cost_usd, result.calls)
    return b"".join(array.tobytes() for array in arrays)


def test_a_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    first, again, other = (
        _simulate(_vote_run, VOTE, [VOTER], samples=300, seed=seed) for seed in (1, 1, 2)
    )
    assert _bytes(first) == _bytes(again)
    assert _bytes(first) != _bytes(other)


def test_the_order_in_which_calls_run_changes_no_answer() -> None:
    forwards = _simulate(_vote_run, VOTE, [VOTER], samples=300)
    backwards = _simulate(_vote_run_backwards, VOTE, [VOTER], samples=300)
    assert (forwards.right == backwards.right).all()
    assert 0 < forwards.accuracy < 1
    assert (forwards.latency_s < backwards.latency_s).all()


def test_every_scenario_serves_equally_often() -> None:
    result = _simulate(_vote_run, VOTE, [VOTER], samples=2 * S + 10)
    counts = np.bincount(result.scenario, minlength=S)
    assert set(counts) == {2, 3}
    few = _simulate(_vote_run, VOTE, [VOTER], samples=S // 2)
    assert len(set(few.scenario)) == S // 2


def test_repeats_of_one_scenario_are_different_runs() -> None:
    single = Scenarios(1, 1, (_cut(VOTER),))
    result = simulate(_vote_run, VOTE, [1], single, inputs={"task": ""}, samples=500, seed=3)
    assert len(set(result.latency_s)) > 490
    assert 0 < result.accuracy < 1


def _cut(model: CallModel) -> CallModel:
    """The model in its first scenario only."""
    assert model.wrong_agreement is not None
    first = (slice(None), slice(0, 1))
    return CallModel(
        np.array([[0.1], [0.5]]),
        model.log_latency[first],
        model.latency_scale[first],
        model.cost[first],
        wrong_agreement=model.wrong_agreement[first],
    )


async def _race(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
    """The first answer wins, the loser is cancelled."""
    calls = [asyncio.create_task(_ask(llm, site, "coder", inputs["task"])) for site in "ab"]
    done, late = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return done.pop().result()


TWO = (Call("a", 0, (0,), 1), Call("b", 0, (0,), 2))


def test_cancelled_calls_are_billed_and_take_no_time() -> None:
    model = _model(_beta(2, 2))
    workflow = _workflow(Block((*TWO, Vote((1, 2), 3)), 3), "coder")
    result = _simulate(_race, workflow, [model])
    assert result.calls.tolist() == [2.0] * RUNS
    assert result.mean_cost_usd == pytest.approx(2 * model.cost[1][result.scenario].mean())
    _agrees(result.right, model.success[1])
    _agrees(result.latency_s, 2 * model.mean_latency[1] - _expected_maximum([model, model]))


def test_a_program_that_fails_says_in_which_run() -> None:
    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> str:
        return str(inputs["missing"])

    with pytest.raises(KeyError) as caught:
        _simulate(run, _workflow(DRAFT, "coder"), [_model(_beta(1, 1))])
    assert caught.value.__notes__[0].startswith("in simulated run 0, scenario ")


def test_a_program_that_hangs_is_a_deadlock() -> None:
    async def run(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match="1 task waits"):
        _simulate(run, _workflow(DRAFT, "coder"), [_model(_beta(1, 1))])
