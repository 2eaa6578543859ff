"""A reference interpreter: what a workflow means, with nothing done for speed or for looks.

Emitted code must make the same calls with the same inputs and give the same answer. Where two
engineers could differ, this file decides:

- An op starts once every value is there that it, or anything inside its regions, uses, whether or
  not anything is read of what it makes of them. Ops whose values are there run at the same time. A
  block is done when all its ops are.
- Alternatives stand for the chosen region, and a call of a workflow for its body: the ops inside
  belong to the block around.
- A prompt shows text as it is, a list as numbered lines, and anything else as JSON.
- A critic's answer begins with ACCEPT or REJECT, followed by its feedback; any other answer is a
  rejection, and all of it the feedback. A tool gives a bool, (bool, feedback), or such a text.
- A selector is shown the numbered candidates after its context; the first number in its answer that
  stands for a candidate picks it, otherwise the first candidate is taken. Nobody is asked about one
  candidate, and its context is not waited for.
- Votes count values by their exact text, without the white space around it, or by what the key
  tool makes of them; what is not text counts by its JSON.
- `concat` puts an empty line between its texts.
- A label is the known one that the answer begins with, whatever its case, else the first word.
- A list longer than a map's `max` is an error, not a shorter list.
- Races are as `flow.join` has them: what is cancelled has ended before the race gives its value.
- A plan runs as `flowir.runtime.replanning` says, with all that can be mended in it mended. Its
  planner's region, where that is one call that gives text, is read while it is written. A tool of a
  plan that fails is an observation.
- A call that fails ends the run; so does an answer that does not parse.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation, SSAValue

from flowir.configuration import Configuration
from flowir.dialects import flow, prompt
from flowir.dialects.flow_checks import agent_inputs
from flowir.runtime.answers import known_labels, parser_of
from flowir.runtime.choices import Choices, choices_of
from flowir.runtime.llm import LLM, CompletionLike, Message, Tools, UsageLike, answered
from flowir.runtime.plan_op import RecordedPlan, plan_tools, run_plan
from flowir.runtime.planning import (
    Environment,
    Planned,
    RunningScope,
    is_identity,
    with_lanes,
)
from flowir.runtime.racing import Lane, first, vote_at_quorum
from flowir.runtime.replanning import Request
from flowir.runtime.values import (
    InterpretationError,
    ballot,
    parse,
    pick,
    plurality,
    show,
    verdict,
)


@dataclass(frozen=True)
class RecordedCall:
    """One model call: where, with what, and on which configuration.

    Attributes:
        op: what makes the call.
        given: the values its prompt shows, in the order of the agent's inputs.
        answer: what the model wrote; None until it has answered.
        usage: the tokens of the call; None until it has answered.
    """

    site: str
    messages: tuple[tuple[str, str], ...]
    configuration: Configuration
    op: Operation = field(compare=False, repr=False)
    given: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    answer: str | None = field(default=None, compare=False, repr=False)
    usage: UsageLike | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class RecordedVerdict:
    """What a tool said of a value.

    Attributes:
        op: whose checker it is.
        given: what it was shown: the context, and the value last.
        seconds: it took.
    """

    site: str
    tool: str
    accepted: bool
    seconds: float
    op: Operation = field(compare=False, repr=False)
    given: tuple[Any, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Interpretation:
    """What a run gave, its model calls in the order in which they started, and the plans it ran.

    Attributes:
        results: every op that gave a value and what it gave, in the order in which they ended.
        verdicts: of tools, in the order in which they ended.
    """

    value: Any
    calls: tuple[RecordedCall, ...]
    plans: tuple[RecordedPlan, ...] = ()
    results: tuple[tuple[Operation, Any], ...] = field(default=(), compare=False, repr=False)
    verdicts: tuple[RecordedVerdict, ...] = ()


async def interpret(
    workflow: flow.WorkflowOp,
    inputs: Mapping[str, Any] | Sequence[Any],
    llm: LLM,
    tools: Tools,
    *,
    point: int = 0,
    choices: Choices | None = None,
) -> Interpretation:
    """Run a verified workflow once.

    Args:
        inputs: by argument name, or in order.
        tools: every tool that a run can reach.
        point: which point of the front, where there is one.
        choices: taken instead of a point; what they leave out is done as today.

    Raises:
        InterpretationError: see there.
        Exception: whatever a model or tool raised; an `ExceptionGroup` where ops ran concurrently.
    """
    if choices is None:
        choices = choices_of(workflow)[point]
    run = _Run(llm, tools, known_labels(workflow))
    names = [argument.name_hint for argument in workflow.body.block.args]
    values = [inputs[n or ""] for n in names] if isinstance(inputs, Mapping) else list(inputs)
    scope = RunningScope.of(workflow, choices)
    value = await run.block(scope, workflow.body.block, {}, values)
    return Interpretation(
        value, tuple(run.calls), tuple(run.plans), tuple(run.results), tuple(run.verdicts)
    )


@dataclass
class _Run:
    llm: LLM
    tools: Tools
    labels: Mapping[str, Sequence[str]]
    calls: list[RecordedCall] = field(default_factory=list)
    plans: list[RecordedPlan] = field(default_factory=list)
    results: list[tuple[Operation, Any]] = field(default_factory=list)
    verdicts: list[RecordedVerdict] = field(default_factory=list)

    async def block(
        self, scope: RunningScope, block: Block, outer: Environment, arguments: Sequence[Any] = ()
    ) -> Any:
        """Every op of a block, each as soon as it can start; gives what the block gives."""
        values = dict(outer)
        for argument, given in zip(block.args, arguments, strict=True):
            values[argument] = _done(given)
        planned: list[Planned] = []
        result = self._plan(scope, block, values, planned)
        assert result is not None
        return await self._together(planned, result)

    async def _together(self, planned: list[Planned], result: asyncio.Future[Any]) -> Any:
        """Ops that run at the same time, each as soon as it can start; gives one of the values."""
        async with asyncio.TaskGroup() as group:
            for op in with_lanes(planned, result):
                group.create_task(self._fulfil(op))
        return result.result()

    async def _fulfil(self, planned: Planned) -> None:
        value = await self._op(planned)
        self.results.append((planned.op, value))
        planned.done.set_result(value)

    def _plan(
        self, scope: RunningScope, block: Block, values: Environment, planned: list[Planned]
    ) -> asyncio.Future[Any] | None:
        """Every op of a block as it runs; gives the future of what the block gives.

        It gives None where that is a value from outside which nobody reads in the end.
        """
        for op in block.ops:
            if isinstance(op, flow.AlternativesOp):
                given = self._plan(scope, scope.chosen(op), values, planned)
                if given is not None:
                    values[op.output] = given
            elif (callee := scope.called(op)) is not None:
                body = callee.workflow.body.block
                inside: Environment = {}
                for argument, operand in zip(body.args, op.operands, strict=True):
                    if operand in values:
                        inside[argument] = values[operand]
                given = self._plan(callee, body, inside, planned)
                if given is not None:
                    values[op.results[0]] = given
            elif op.results:
                used = {value: values[value] for value in scope.uses(op)}
                planned.append(Planned(scope, op, used, _undone()))
                values[op.results[0]] = planned[-1].done
        last = block.last_op
        assert last is not None
        return values.get(last.operands[0])

    async def _op(self, planned: Planned) -> Any:
        """One op, once all it uses is there."""
        scope, op, used = planned.scope, planned.op, planned.used
        for future in planned.awaits():
            await future
        match op:
            case flow.JoinOp() if op.races and not is_identity(op):
                return await self._race(scope, op, planned)
            case flow.CallOp():
                return await self._call(scope, op, _given(used, op.inputs))
            case flow.JoinOp():
                return await self._join(scope, op, _given(used, op.inputs), used)
            case flow.BranchOp():
                return await self._branch(scope, op, used[op.on].result(), used)
            case flow.FallbackOp():
                return await self._fallback(scope, op, used)
            case flow.RefineOp():
                return await self._refine(scope, op, used)
            case flow.MapOp():
                return await self._map(scope, op, used[op.source].result(), used)
            case flow.PlanOp():
                return await self._run_plan(scope, op, used)
            case _:
                raise NotImplementedError(op.name)

    async def _call(self, scope: RunningScope, op: flow.CallOp, arguments: Sequence[Any]) -> Any:
        name = op.callee.root_reference.data
        callee = scope.symbols[name]
        if isinstance(callee, flow.ToolOp):
            return await self._tool(name, arguments)
        assert isinstance(callee, flow.AgentOp)
        site = scope.site(op)
        shown = [show(value, of.type) for value, of in zip(arguments, op.inputs, strict=True)]
        text = await self._ask(scope, op, name, site, shown, arguments)
        return parse(parser_of(callee), callee.output, text, self.labels.get(name, ()), site)

    async def _join(
        self, scope: RunningScope, op: flow.JoinOp, given: Sequence[Any], used: Environment
    ) -> Any:
        if is_identity(op):
            return given[0]
        match op.mode.data:
            case flow.JoinMode.ALL | flow.JoinMode.ANY:
                return list(given)
            case flow.JoinMode.CONCAT:
                return "\n\n".join(given)
            case flow.JoinMode.VOTE:
                keys = given
                if op.key is not None:
                    name = op.key.root_reference.data
                    keys = await _concurrently([self._tool(name, [value]) for value in given])
                return plurality(given, keys)
            case flow.JoinMode.SELECT:
                assert op.by is not None
                context = _given(used, op.context)
                shown = [show(v, of.type) for v, of in zip(context, op.context, strict=True)]
                shown.append(show(list(given), flow.ListType(op.inputs[0].type)))
                name, site = op.by.root_reference.data, scope.site(op)
                values = [*context, list(given)]
                return pick(await self._ask(scope, op, name, site, shown, values), given)

    async def _race(self, scope: RunningScope, op: flow.JoinOp, planned: Planned) -> Any:
        used = planned.used
        candidates = dict.fromkeys(used[value] for value in op.inputs)

        def lane_of(value: asyncio.Future[Any]) -> Lane[Any]:
            return lambda: self._together(planned.lanes[value], value)

        lanes = list(map(lane_of, candidates))
        if op.mode.data is flow.JoinMode.FIRST:
            delays: dict[asyncio.Future[Any], float] = {}
            for value, delay in zip(op.inputs, op.delays, strict=True):
                delays.setdefault(used[value], delay)

            async def judge(value: Any) -> bool:
                return (await self._verdict(scope, op, value, used))[0]

            return await first(lanes, [*delays.values()], None if op.until is None else judge)

        async def label(value: Any) -> str:
            if op.key is None:
                return ballot(value)
            return ballot(await self._tool(op.key.root_reference.data, [value]))

        numbers = {value: number for number, value in enumerate(candidates)}
        places = [numbers[used[value]] for value in op.inputs]
        return await vote_at_quorum(lanes, places, label)

    async def _branch(
        self, scope: RunningScope, op: flow.BranchOp, label: str, used: Environment
    ) -> Any:
        cases = dict(op.blocks)
        region = cases.get(label, cases.get(None))
        if region is None:
            known = ", ".join(str(name) for name in cases)
            raise InterpretationError(f"{scope.site(op)}: label {label!r} is none of {known}")
        return await self.block(scope, region.block, used)

    async def _fallback(self, scope: RunningScope, op: flow.FallbackOp, used: Environment) -> Any:
        first, *rest = op.tiers
        tiers = [first] * op.bound.data + rest
        for tier in tiers[:-1]:
            value = await self.block(scope, tier.block, used)
            accepted, _ = await self._verdict(scope, op, value, used)
            if accepted:
                return value
        return await self.block(scope, tiers[-1].block, used)

    async def _refine(self, scope: RunningScope, op: flow.RefineOp, used: Environment) -> Any:
        value = used[op.initial].result()
        for _ in range(op.bound.data):
            accepted, feedback = await self._verdict(scope, op, value, used)
            if accepted:
                break
            value = await self.block(scope, op.body.block, used, [value, feedback])
        return value

    async def _map(
        self, scope: RunningScope, op: flow.MapOp, items: list[Any], used: Environment
    ) -> list[Any]:
        if len(items) > op.bound.data:
            raise InterpretationError(
                f"{scope.site(op)}: {len(items)} items, but max is {op.bound.data}"
            )
        return await _concurrently(
            [self.block(scope, op.body.block, used, [item]) for item in items]
        )

    async def _run_plan(self, scope: RunningScope, op: flow.PlanOp, used: Environment) -> str:
        planner, joiner = op.planner.block, op.joiner.block

        async def plan(request: Request) -> AsyncIterator[str]:
            given = [request.tools, request.for_planner]
            call = scope.streamed(planner)
            if call is None:
                yield await self.block(scope, planner, used, given)
                return
            values = dict(used)
            values |= dict(zip(planner.args, map(_done, given), strict=True))
            arguments = _given(values, call.inputs)
            shown = [show(v, of.type) for v, of in zip(arguments, call.inputs, strict=True)]
            name, site = call.callee.root_reference.data, scope.site(call)
            number, messages, chosen = self._request(scope, call, name, site, shown, arguments)
            async for piece in answered(self.llm, site, messages, **_asked(chosen)):
                if isinstance(piece, str):
                    yield piece
                else:
                    self._answered(number, piece)

        async def join(request: Request) -> str:
            text: str = await self.block(scope, joiner, used, [request.for_joiner])
            return text

        tools = plan_tools(op, scope.symbols, self.tools)
        return await run_plan(op, scope.site(op), plan, join, tools, self.plans)

    async def _verdict(
        self,
        scope: RunningScope,
        op: flow.FallbackOp | flow.RefineOp | flow.JoinOp,
        value: Any,
        used: Environment,
    ) -> tuple[bool, str]:
        """(accepted, feedback) of the checker."""
        assert op.until is not None
        context = _given(used, op.context)
        name = op.until.root_reference.data
        if isinstance(scope.symbols[name], flow.ToolOp):
            clock = asyncio.get_running_loop().time
            start, given = clock(), (*context, value)
            accepted, feedback = verdict(await self._tool(name, given))
            site, seconds = scope.site(op), clock() - start
            self.verdicts.append(RecordedVerdict(site, name, accepted, seconds, op, given))
            return accepted, feedback
        types = [*(of.type for of in op.context), op.output.type]
        shown = [show(v, kind) for v, kind in zip([*context, value], types, strict=True)]
        site = f"{scope.site(op)}.check"
        return verdict(await self._ask(scope, op, name, site, shown, [*context, value]))

    async def _ask(
        self,
        scope: RunningScope,
        op: Operation,
        name: str,
        site: str,
        shown: Sequence[str],
        values: Sequence[Any],
    ) -> str:
        """One model call that shows some values; gives the text of the answer."""
        number, messages, chosen = self._request(scope, op, name, site, shown, values)
        completion = await self.llm(site, messages, **_asked(chosen))
        self._answered(number, completion)
        return completion.text

    def _answered(self, number: int, completion: CompletionLike) -> None:
        told = replace(self.calls[number], answer=completion.text, usage=completion.usage)
        self.calls[number] = told

    def _request(
        self,
        scope: RunningScope,
        op: Operation,
        name: str,
        site: str,
        shown: Sequence[str],
        values: Sequence[Any],
    ) -> tuple[int, list[Message], Configuration]:
        """What a model is asked, and on which configuration; recorded as the call of a number."""
        agent = scope.symbols[name]
        assert isinstance(agent, flow.AgentOp)
        given = dict(zip(agent_inputs(agent), shown, strict=True))
        messages: list[Message] = []
        if agent.system is not None:
            content = prompt.fill(agent.system.data, given)
            messages.append({"role": "system", "content": content})
        messages.append({"role": "user", "content": prompt.fill(agent.prompt.data, given)})
        group = op.properties.get("group")
        chosen = scope.configurations[name, group.data if isinstance(group, StringAttr) else ""]
        record = tuple((message["role"], message["content"]) for message in messages)
        self.calls.append(RecordedCall(site, record, chosen, op, tuple(values)))
        return len(self.calls) - 1, messages, chosen

    async def _tool(self, name: str, arguments: Sequence[Any]) -> Any:
        result = self.tools[name](*arguments)
        return await result if inspect.isawaitable(result) else result


def _asked(chosen: Configuration) -> dict[str, Any]:
    """A configuration as the model protocol takes it."""
    asked: dict[str, Any] = {"model": chosen.model, **dict(chosen.params)}
    if chosen.budget is not None:
        asked["budget"] = chosen.budget
    return asked


def _undone() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def _done(value: Any) -> asyncio.Future[Any]:
    future = _undone()
    future.set_result(value)
    return future


def _given(used: Environment, values: Sequence[SSAValue]) -> list[Any]:
    return [used[value].result() for value in values]


async def _concurrently(parts: Sequence[Awaitable[Any]]) -> list[Any]:
    async def one(part: Awaitable[Any]) -> Any:
        return await part

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(part)) for part in parts]
    return [task.result() for task in tasks]
