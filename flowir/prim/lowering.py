"""Lowers workflows to primitives; `lower-flow-to-prim` says what becomes what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import (
    ArrayAttr,
    FunctionType,
    IntAttr,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from flowir.calculus.sites import site_names
from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import Symbols, fail, module_symbols
from flowir.dialects.prim_types import TEST_CASES, element_of, normal
from flowir.engines import defaults
from flowir.errors import PrimError
from flowir.prim import tools
from flowir.prim.emitting import Emitter, Scope, chain
from flowir.prim.prompts import configuration_of, engine_of, prompt_of
from flowir.prim.sizes import ANSWER, Size, declared, declared_input
from flowir.runtime.answers import known_labels

MODULE = "prim.module"
"""On ops of a workflow: the module they belong to; neighbours of one module have one order."""


@dataclass(frozen=True)
class LoweringOptions:
    """Attributes:
    modules: ops of a block are modules, each of which waits for the one before it.
    llm: the engine of agents that name neither an engine nor a model.
    accept: how often a checker is expected to accept, where nothing is declared of it.
    """

    modules: bool = True
    llm: str = defaults.LLM
    accept: float = 0.5


def lower_workflow(workflow: flow.WorkflowOp, options: LoweringOptions) -> prim.GraphOp:
    """The workflow as a graph of primitives.

    Raises:
        OperationError: an op that primitives cannot express; says which and the mend.
        PrimError: options that make no sense.
    """
    if not 0.0 <= options.accept <= 1.0:
        raise PrimError(f"accept={options.accept} is no probability; it must lie in [0, 1]")
    return _Lowerer(workflow, options).graph()


@dataclass
class _Lowerer:
    workflow: flow.WorkflowOp
    options: LoweringOptions
    values: dict[SSAValue, SSAValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.symbols: Symbols = module_symbols(self.workflow) or {}
        self.sites: Mapping[Operation, str] = site_names(self.workflow)
        self.labels = known_labels(self.workflow)
        arguments = self.workflow.body.block.args
        self.block = Block(arg_types=[argument.type for argument in arguments])
        self.out = Emitter(self.block)
        for old, new in zip(arguments, self.block.args, strict=True):
            new.name_hint = old.name_hint
            self.values[old] = new
            self.out.sizes[new] = declared_input(self.workflow, old.name_hint, old.type)

    def graph(self) -> prim.GraphOp:
        """The whole workflow."""
        result = self._body(self.workflow.body.block)
        self.block.add_op(prim.ReturnOp(result))
        arguments = [argument.type for argument in self.block.args]
        return prim.GraphOp.create(
            properties={
                "sym_name": self.workflow.sym_name,
                "function_type": FunctionType.from_lists(arguments, [result.type]),
            },
            regions=[Region(self.block)],
        )

    # Blocks

    def _body(self, block: Block) -> SSAValue:
        """Every op of a block; gives what the block gives."""
        last = block.last_op
        assert last is not None
        after: Sequence[SSAValue] = ()
        for module in _modules(op for op in block.ops if op is not last):
            start = len(self.out.emitted)
            for op in module:
                self._op(op)
            made = self.out.emitted[start:]
            if made and self.options.modules:
                after = chain(made, after)
        return self.values[last.operands[0]]

    def _region(self, region: Region, arguments: Sequence[SSAValue] = ()) -> SSAValue:
        for argument, value in zip(region.block.args, arguments, strict=True):
            self.values[argument] = value
        return self._body(region.block)

    def _op(self, op: Operation) -> None:
        match op:
            case flow.CallOp():
                made = self._call(op)
            case flow.JoinOp():
                made = self._join(op)
            case flow.BranchOp():
                made = self._branch(op)
            case flow.FallbackOp():
                made = self._fallback(op)
            case flow.RefineOp():
                made = self._refine(op)
            case flow.MapOp():
                made = self._map(op)
            case flow.AlternativesOp():
                raise fail(
                    op, "which of them? Run flow-select, or leave one region, and lower then"
                )
            case flow.PlanOp():
                raise fail(op, "a plan is known only when it is written; keep its workflow in flow")
            case _:
                raise fail(op, "there are no primitives for it; remove it")
        if made.name_hint is None:
            made.name_hint = op.results[0].name_hint
        self.values[op.results[0]] = made

    # Calls

    def _call(self, op: flow.CallOp) -> SSAValue:
        inputs = [self.values[value] for value in op.inputs]
        callee = self.symbols[op.callee.root_reference.data]
        match callee:
            case flow.AgentOp():
                return self._ask(op, callee, inputs, self._site(op))
            case flow.ToolOp():
                return self._tool(op, callee, inputs, self._site(op))
            case _:
                raise fail(op, "it calls a workflow; run flow-inline first")

    def _site(self, op: Operation, suffix: str = "") -> str:
        return f"{self.sites.get(op, op.name)}{suffix}{self.out.scope.suffix}"

    def _ask(
        self,
        op: Operation,
        agent: flow.AgentOp,
        inputs: Sequence[SSAValue],
        site: str,
        raw: bool = False,
    ) -> SSAValue:
        """Prefill the prompt of an agent and decode its answer."""
        kind = flow.TextType() if raw else agent.output
        made = prompt_of(agent, inputs, self.out.sizes, self.out.late)
        callee, engine = (
            SymbolRefAttr(agent.sym_name),
            StringAttr(engine_of(op, agent, self.options.llm)),
        )
        config = configuration_of(op, agent)
        kv = self.out.emit(
            prim.PrefillingOp.make(
                made.shown,
                [prim.KvType()],
                callee=callee,
                config=config,
                prompt=made.pieces,
                site=StringAttr(site),
                engine=engine,
                work=prim.WorkAttr.of(input=made.tokens),
            ),
            hint="kv",
        )
        answer = declared(agent, ANSWER, kind)
        labels = None if raw else self.labels.get(agent.sym_name.data)
        return self.out.emit(
            prim.DecodingOp.make(
                [kv.output],
                [kind],
                callee=callee,
                config=config,
                labels=None if labels is None else ArrayAttr(map(StringAttr, labels)),
                raw=UnitAttr() if raw else None,
                site=StringAttr(site),
                engine=engine,
                work=prim.WorkAttr.of(
                    items=answer.items, output=answer.tokens, context=made.tokens
                ),
            ),
            answer,
        ).output

    def _tool(
        self, op: Operation, tool: flow.ToolOp, inputs: Sequence[SSAValue], site: str
    ) -> SSAValue:
        made = tools.primitive(op, tool, inputs, site, self.out.sizes)
        return self.out.emit(made.op, made.size).results[0]

    # Joins

    def _join(self, op: flow.JoinOp) -> SSAValue:
        if op.races:
            raise fail(
                op,
                "a race ends before its losers do, which primitives cannot say; "
                "vote without `quorum`, or take one candidate",
            )
        values = [self.values[value] for value in op.inputs]
        sizes = [self.out.sizes[value] for value in values]
        largest = max(sizes, key=lambda size: (size.tokens, size.items))
        tokens = sum(size.tokens for size in sizes)
        kind = values[0].type
        match op.mode.data:
            case flow.JoinMode.ALL | flow.JoinMode.ANY:
                whole = Size(len(values), tokens)
                return self._gather(prim.Gathering.ALL, values, flow.ListType(kind), whole)
            case flow.JoinMode.CONCAT:
                return self._gather(prim.Gathering.TEXT, values, kind, Size(1, tokens))
            case flow.JoinMode.VOTE if op.key is not None:
                tool = self.symbols[op.key.root_reference.data]
                assert isinstance(tool, flow.ToolOp)
                site = self._site(op, ".key")
                keys = [
                    self._tool(op, tool, [value], f"{site}{number}")
                    for number, value in enumerate(values)
                ]
                return self._gather(prim.Gathering.VOTE_BY, [*values, *keys], kind, largest)
            case flow.JoinMode.VOTE:
                return self._gather(prim.Gathering.VOTE, values, kind, largest)
            case _:
                return self._select(op, values, Size(len(values), tokens), largest)

    def _select(
        self, op: flow.JoinOp, values: Sequence[SSAValue], listed: Size, chosen: Size
    ) -> SSAValue:
        if len(values) == 1:
            return values[0]
        assert op.by is not None
        agent = self.symbols[op.by.root_reference.data]
        assert isinstance(agent, flow.AgentOp)
        kind = values[0].type
        candidates = self._gather(prim.Gathering.ALL, values, flow.ListType(kind), listed)
        inputs = [*(self.values[value] for value in op.context), candidates]
        answer = self._ask(op, agent, inputs, self._site(op), raw=True)
        return self._gather(prim.Gathering.PICK, [answer, *values], kind, chosen)

    def _gather(
        self, mode: prim.Gathering, values: Sequence[SSAValue], kind: Attribute, size: Size
    ) -> SSAValue:
        return self.out.aggregate(mode, values, kind, size)

    # Regions

    def _branch(self, op: flow.BranchOp) -> SSAValue:
        labels = [name.data for name in op.labels]
        odds = None if op.weights is None else [weight.data for weight in op.weights]
        guards = self.out.condition(
            prim.Test.LABEL,
            self.values[op.on],
            labels,
            otherwise=op.otherwise is not None,
            odds=odds,
        )
        given = []
        for held, (_, region) in zip(guards, op.blocks, strict=True):
            with self.out.case(held):
                given.append(self._region(region))
        return self._choose(given, guards)

    def _choose(self, given: Sequence[SSAValue], guards: Sequence[SSAValue]) -> SSAValue:
        """The value of the case that holds."""
        size = max(
            (self.out.sizes[value] for value in given), key=lambda one: (one.tokens, one.items)
        )
        kind = normal(given[0].type) if len({v.type for v in given}) > 1 else given[0].type
        return self._gather(prim.Gathering.CHOOSE, [*given, *guards], kind, size)

    def _fallback(self, op: flow.FallbackOp) -> SSAValue:
        first, *rest = op.tiers
        tiers = [first] * op.bound.data + rest
        return self._attempts(op, tiers)

    def _attempts(self, op: flow.FallbackOp, tiers: Sequence[Region]) -> SSAValue:
        """Each tier under the rejection of the one before; the last is not checked."""
        given: list[SSAValue] = []
        guards: list[SSAValue] = []
        held = self.out.scope.guard
        for number, tier in enumerate(tiers):
            with self.out.inside(self._again(number, held)):
                given.append(self._region(tier))
                if number < len(tiers) - 1:
                    _, accepted, held = self._check(op, given[-1])
                    guards.append(accepted)
        if len(given) == 1:
            return given[0]
        assert held is not None
        return self._choose(given, [*guards, held])

    def _refine(self, op: flow.RefineOp) -> SSAValue:
        given = [self.values[op.initial]]
        guards: list[SSAValue] = []
        held = self.out.scope.guard
        for number in range(op.bound.data):
            with self.out.inside(self._again(number, held)):
                verdict, accepted, held = self._check(op, given[-1])
                guards.append(accepted)
            with self.out.inside(self._again(number, held)):
                feedback = self._gather(
                    prim.Gathering.FEEDBACK, [verdict], flow.TextType(), self.out.sizes[verdict]
                )
                given.append(self._region(op.body, [given[-1], feedback]))
        assert held is not None
        return self._choose(given, [*guards, held])

    def _again(self, number: int, held: SSAValue | None) -> Scope:
        """The scope of one of several runs of a region."""
        suffix = self.out.scope.suffix + (f"#{number + 1}" if number else "")
        return replace(self.out.scope, guard=held, suffix=suffix)

    def _check(
        self, op: flow.FallbackOp | flow.RefineOp, value: SSAValue
    ) -> tuple[SSAValue, SSAValue, SSAValue]:
        """(what the checker says, the guard of acceptance, the guard of rejection)."""
        checker = self.symbols[op.until.root_reference.data]
        inputs = [*(self.values[each] for each in op.context), value]
        site = self._site(op, ".check")
        if isinstance(checker, flow.AgentOp):
            verdict = self._ask(op, checker, inputs, site, raw=True)
        else:
            assert isinstance(checker, flow.ToolOp)
            verdict = self._tool(op, checker, inputs, site)
        odds = (self.options.accept, 1.0 - self.options.accept)
        cases = TEST_CASES[prim.Test.VERDICT]
        accepted, rejected = self.out.condition(prim.Test.VERDICT, verdict, cases, odds=odds)
        return verdict, accepted, rejected

    def _map(self, op: flow.MapOp) -> SSAValue:
        source = self.values[op.source]
        element = element_of(source.type)
        assert element is not None
        width = op.bound.data if op.width is None else op.width.data
        each = self.out.sizes[source].each
        results: list[SSAValue] = []
        for number in range(op.bound.data):
            item = self._item(op, source, number, element, each)
            with self.out.instance(item, number, spare=number >= width):
                result = self._region(op.body, [item])
                if result not in self.out.scope.instances[-1].inside:
                    result = self._of_instance(result)
                results.append(result)
        total = sum(self.out.sizes[result].tokens for result in results[:width])
        kind = flow.ListType(results[0].type)
        return self._gather(prim.Gathering.GATHER, results, kind, Size(width, total))

    def _item(
        self, op: flow.MapOp, source: SSAValue, number: int, element: Attribute, size: Size
    ) -> SSAValue:
        made = prim.ItemOp.make(
            [source],
            [element],
            site=StringAttr(self._site(op)),
            place=IntAttr(number),
            last=UnitAttr() if number == op.bound.data - 1 else None,
        )
        spare = op.width is not None and number >= op.width.data
        scope = replace(self.out.scope, spare=self.out.scope.spare or spare)
        with self.out.inside(scope):
            return self.out.emit(made, size, hint="item").output

    def _of_instance(self, outer: SSAValue) -> SSAValue:
        """A value from outside as what an instance gives: missing where the item is."""
        there = self.out.presence()
        size = self.out.sizes[outer]
        return self._gather(prim.Gathering.CHOOSE, [outer, there], outer.type, size)


def _modules(ops: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Ops in order, neighbours of one named module together."""
    open_: list[Operation] = []
    name: str | None = None
    for op in ops:
        given = op.attributes.get(MODULE)
        module = given.data if isinstance(given, StringAttr) else None
        if open_ and (module is None or module != name):
            yield open_
            open_ = []
        open_.append(op)
        name = module
    if open_:
        yield open_
