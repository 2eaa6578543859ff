"""Random modules of the `flow` dialect: verified, nested, with strings of any characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FloatData,
    FunctionType,
    IntAttr,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.dse_space import ModelOptionAttr
from flowir.dialects.flow import (
    AcceptsAttr,
    AgentOp,
    AlternativesOp,
    BranchOp,
    CallOp,
    Effect,
    EffectAttr,
    FallbackOp,
    JoinMode,
    JoinModeAttr,
    JoinOp,
    ListType,
    MapOp,
    RefineOp,
    ReturnOp,
    ToolOp,
    WorkflowOp,
    YieldOp,
)
from flowir.dialects.flow_types import boolean, label, text
from flowir.dialects.literals import literal

TEXTS = ListType(text)
LABELS = ("a", "b", "c")
"""What a router may answer; branches have cases for some of them."""

Draw = Callable[[st.SearchStrategy[Any]], Any]

strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.one_of(
    st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False), strings
)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(lambda n: n != "budget")


@st.composite
def configurations(draw: Draw) -> ConfigAttr:
    budget = draw(st.one_of(st.none(), st.integers(0, 10**9), strings))
    params = draw(st.dictionaries(names, numbers, max_size=2))
    return ConfigAttr.of(draw(strings.filter(bool)), budget, tuple(params.items()))


@st.composite
def spaces(draw: Draw) -> SpaceAttr:
    def values() -> ArrayAttr[Attribute]:
        return ArrayAttr(map(literal, draw(st.lists(numbers, min_size=1, max_size=2, unique=True))))

    def option(model: str) -> ModelOptionAttr:
        budgets = values() if draw(st.booleans()) else ArrayAttr[Attribute]([])
        params = {name: values() for name in draw(st.sets(names, max_size=2))}
        return ModelOptionAttr.new([StringAttr(model), budgets, DictionaryAttr(params)])

    models = draw(st.lists(strings.filter(bool), min_size=1, max_size=3, unique=True))
    return SpaceAttr.new([ArrayAttr(map(option, models))])


class Sample:
    """A module that shows itself as text; its own representation is long and slow to make."""

    def __init__(self, module: ModuleOp) -> None:
        self.module = module

    def __repr__(self) -> str:
        return str(self.module)


@st.composite
def samples(draw: Draw, workflows: int = 2, declared: bool = True, sited: bool = True) -> Sample:
    """A module that verifies.

    Args:
        workflows: how many; each may call those before it.
        declared: agents have random spaces and configurations, or none; else one model each.
        sited: every call has a site, by which it can be told from its twins; else there are twins.
    """
    ops: list[Operation] = [
        _agent(draw, "ask", ("x",), text, declared),
        _agent(draw, "both", ("x", "y"), text, declared),
        _agent(draw, "route", ("x",), label, declared),
        _agent(draw, "judge", ("candidates",), text, declared),
        _agent(draw, "critic", ("x",), boolean, declared),
        _tool(draw, "pure", text, Effect.PURE),
        _tool(draw, "look", text, Effect.READS),
        _tool(draw, "note", text, Effect.WRITES),
        _tool(draw, "check", boolean, draw(st.sampled_from(Effect))),
    ]
    # Structure by plain chance: hypothesis by itself prefers nearly empty workflows.
    chance = Random(draw(st.integers(0, 2**32)))
    words = draw(st.lists(strings, min_size=3, max_size=3))
    callable_workflows: list[str] = []
    for number in range(workflows):
        name = f"w{number}"
        builder = _Builder(chance, words, name, tuple(callable_workflows), sited)
        ops.append(builder.workflow())
        callable_workflows.append(name)
    return Sample(ModuleOp(ops))


def _prompt(draw: Draw, variables: Sequence[str]) -> str:
    parts = [draw(strings).replace("{", "{{").replace("}", "}}") for _ in range(len(variables) + 1)]
    pieces = zip(parts, (f"{{{v}}}" for v in variables), strict=False)
    return "".join(a + b for a, b in pieces) + parts[-1]


def _agent(
    draw: Draw, name: str, variables: Sequence[str], output: Attribute, declared: bool
) -> AgentOp:
    properties: dict[str, Attribute] = {
        "sym_name": StringAttr(name),
        "prompt": StringAttr(_prompt(draw, variables)),
        "output": output,
    }
    if not declared:
        model = ModelOptionAttr(StringAttr("m"), ArrayAttr([]), DictionaryAttr({}))
        properties["space"] = SpaceAttr(ArrayAttr([model]))
    elif draw(st.booleans()):
        properties["system"] = StringAttr(_prompt(draw, ()))
        properties["metric"] = StringAttr(draw(strings))
        properties["space"] = draw(spaces())
        properties["baseline"] = draw(configurations())
    return AgentOp.create(properties=properties)


def _tool(draw: Draw, name: str, output: Attribute, effect: Effect) -> ToolOp:
    chance = st.floats(0, 1)
    properties: dict[str, Attribute] = {
        "sym_name": StringAttr(name),
        "impl": StringAttr("package.module:function"),
        "output": output,
        "effect": EffectAttr(effect),
        "latency": FloatData(draw(st.floats(0, 1e300))),
    }
    if output == boolean:
        properties["accepts"] = AcceptsAttr(*(FloatData(draw(chance)) for _ in range(3)))
    return ToolOp.create(properties=properties)


@dataclass
class _Builder:
    """Builds one workflow. What is made is mostly used soon, so that little of it is dead."""

    random: Random
    words: Sequence[str]
    name: str
    workflows: tuple[str, ...]
    sited: bool
    sites: int = 0
    ties: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def workflow(self) -> WorkflowOp:
        block = Block(arg_types=[text])
        visible: list[SSAValue] = [block.args[0]]
        for start in (_Builder.route, _Builder.call, _Builder.join):
            if self.toss():
                block.add_op(start(self, visible, 0))
                visible += block.ops.last.results  # type: ignore[union-attr]
        result = self.fill(block, visible, text, depth=2)
        block.add_op(ReturnOp.create(operands=[result]))
        return WorkflowOp.create(
            properties={
                "sym_name": StringAttr(self.name),
                "function_type": FunctionType.from_lists([text], [text]),
            },
            regions=[Region(block)],
        )

    def region(
        self, outer: list[SSAValue], result: Attribute, depth: int, *args: Attribute
    ) -> Region:
        block = Block(arg_types=args)
        value = self.fill(block, [*outer, *block.args], result, depth)
        block.add_op(YieldOp(value))
        return Region(block)

    def fill(
        self, block: Block, visible: list[SSAValue], result: Attribute, depth: int
    ) -> SSAValue:
        """Add ops to the block; the value it gives, which may well be one from outside."""
        values = list(visible)
        kinds = FLAT if depth == 0 else (*FLAT, *NESTED)
        for _ in range(self.random.randint(2, 4) if depth == 2 else self.random.randint(0, 2)):
            op = self.random.choice(kinds)(self, values, depth)
            block.add_op(op)
            values += op.results
            if not self.sited and op.results[0].type == text and not op.regions:
                twin = op.clone()
                both = self.join_of(JoinMode.CONCAT, [*op.results, *twin.results])
                block.add_ops([twin, both])
                values += (*twin.results, *both.results)
        return self.pick(values, result)

    def pick(self, values: list[SSAValue], kind: Attribute) -> SSAValue:
        fitting = [value for value in values if value.type == kind]
        return self.random.choice(fitting[-1:] if self.random.random() < 0.7 else fitting)

    def toss(self) -> bool:
        return self.random.random() < 0.5

    def word(self) -> str:
        return self.random.choice(self.words)

    def site(self) -> dict[str, Attribute]:
        self.sites += 1
        return {"site": StringAttr(f"{self.sites} {self.word()}")} if self.sited else {}

    def agent_properties(self) -> dict[str, Attribute]:
        if not self.toss():
            return {}
        return {"group": StringAttr(self.random.choice(["", "g", 'odd "\n']))}

    def call(self, values: list[SSAValue], depth: int) -> Operation:
        callees = ["ask", "both", "route", "pure", "look", "note", *self.workflows]
        return self.call_of(self.random.choice(callees), values)

    def route(self, values: list[SSAValue], depth: int) -> Operation:
        return self.call_of("route", values)

    def call_of(self, callee: str, values: list[SSAValue]) -> Operation:
        inputs = [self.pick(values, text) for _ in range(2 if callee == "both" else 1)]
        properties: dict[str, Attribute] = {"callee": SymbolRefAttr(callee), **self.site()}
        if callee in ("ask", "both", "route"):
            properties |= self.agent_properties()
        return CallOp.create(
            operands=inputs,
            result_types=[label if callee == "route" else text],
            properties=properties,
        )

    def join(self, values: list[SSAValue], depth: int) -> Operation:
        return self.join_of(self.random.choice(list(JoinMode)), values)

    def join_of(self, mode: JoinMode, values: list[SSAValue]) -> Operation:
        count = self.random.randint(1, 3)
        recent = [value for value in values if value.type == text][-4:]
        if len(recent) < count or self.random.random() < 0.2:
            inputs = [self.pick(values, text)] * count
        else:
            inputs = self.random.sample(recent, count)
        properties: dict[str, Attribute] = {"mode": JoinModeAttr(mode)}
        if mode is JoinMode.SELECT:
            properties |= {"by": SymbolRefAttr("judge"), **self.agent_properties()}
        if mode is JoinMode.VOTE and self.toss():
            properties["key"] = SymbolRefAttr(self.random.choice(["pure", "note"]))
        return JoinOp.build(
            operands=[inputs, []],
            result_types=[TEXTS if mode in (JoinMode.ALL, JoinMode.ANY) else text],
            properties=properties,
        )

    def branch(self, values: list[SSAValue], depth: int) -> Operation:
        known = [value for value in values if value.type == label]
        if not known:
            return self.route(values, depth)
        labels = self.random.sample([*LABELS, 'odd "\t\x00"'], self.random.randint(0, 3))
        weight = 1 / (len(labels) + 1)
        properties: dict[str, Attribute] = {"labels": ArrayAttr(map(StringAttr, labels))}
        if self.toss():
            properties["weights"] = ArrayAttr([FloatData(weight)] * (len(labels) + 1))
        return BranchOp.build(
            operands=[self.random.choice(known)],
            result_types=[text],
            properties=properties,
            regions=[
                [self.region(values, text, depth - 1) for _ in labels],
                [self.region(values, text, depth - 1)],
            ],
        )

    def checker(self) -> dict[str, Attribute]:
        until = self.random.choice(["check", "critic"])
        group = self.agent_properties() if until == "critic" else {}
        return {"until": SymbolRefAttr(until), **group}

    def fallback(self, values: list[SSAValue], depth: int) -> Operation:
        bound = self.random.randint(1, 3)
        tiers = self.random.randint(1, 3 if bound == 1 else 2)
        checker = self.checker()
        regions = [self.region(values, text, depth - 1) for _ in range(tiers)]
        if self.toss():
            inner = self.fallback_of(1, self.random.choice([checker, self.checker()]), regions)
            last = Block([inner, YieldOp(inner.output)])
            regions = [self.region(values, text, depth - 1), Region(last)]
        return self.fallback_of(bound, checker, regions)

    @staticmethod
    def fallback_of(bound: int, checker: dict[str, Attribute], regions: list[Region]) -> FallbackOp:
        return FallbackOp.build(
            operands=[[]],
            result_types=[text],
            properties={"bound": IntAttr(bound), **checker},
            regions=[regions],
        )

    def refine(self, values: list[SSAValue], depth: int) -> Operation:
        return RefineOp.build(
            operands=[self.pick(values, text), []],
            result_types=[text],
            properties={"bound": IntAttr(self.random.randint(1, 3)), **self.checker()},
            regions=[self.region(values, text, depth - 1, text, text)],
        )

    def map(self, values: list[SSAValue], depth: int) -> Operation:
        lists = [value for value in values if value.type == TEXTS]
        if not lists:
            return self.join_of(JoinMode.ALL, values)
        return MapOp.build(
            operands=[self.random.choice(lists)],
            result_types=[TEXTS],
            properties={"bound": IntAttr(4), "width": IntAttr(self.random.randint(1, 4))},
            regions=[self.region(values, text, depth - 1, text)],
        )

    def alternatives(self, values: list[SSAValue], depth: int) -> Operation:
        choice = self.random.choice(["s", "t", 'odd "\\'])
        drawn = [f"{number}{self.word()}" for number in range(self.random.randint(1, 3))]
        labels = self.ties.setdefault(choice, tuple(drawn))
        return AlternativesOp.build(
            operands=[],
            result_types=[text],
            properties={
                "choice": StringAttr(choice),
                "labels": ArrayAttr(map(StringAttr, labels)),
            },
            regions=[[self.region(values, text, depth - 1) for _ in labels]],
        )


FLAT = (_Builder.call, _Builder.call, _Builder.join)
NESTED = (
    _Builder.branch,
    _Builder.fallback,
    _Builder.refine,
    _Builder.map,
    _Builder.alternatives,
)
