"""Writes flow operations: calls of agents and adapters, and branches that give several values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FloatData,
    StringAttr,
    SymbolRefAttr,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import Rewriter

from flowir.dialects import flow
from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.dse_space import ModelOptionAttr
from flowir.dialects.flow_types import Effect, EffectAttr, boolean, json, label, text
from flowir.frontends.langgraph.facts import GraphImportError, Model, Place
from flowir.frontends.langgraph.lowering.adapters import Adapters, identifier

Env = dict[str, SSAValue]
"""Values of the state, by key; a key that is not there was never written."""

GOTO = "__goto__"
"""The key of where a node or a router goes next, until that is followed."""

MOST_OPERATIONS = 2000
"""Loops inside loops unroll into more than anybody reads."""


class Building:
    """Operations of one workflow and the declarations that they use."""

    def __init__(self, adapters: Adapters) -> None:
        self.adapters = adapters
        self.block = Block()
        self.agents: dict[str, flow.AgentOp] = {}
        self.tools: dict[str, flow.ToolOp] = {}
        self.unsure: set[SSAValue] = set()
        """Values that are None where their key was not written."""
        self._sites: dict[str, int] = {}
        self._operations = 0
        self.place = ""
        self.via = ""
        self.node = ""
        """The path of the node that is being lowered."""
        self.nodes_of: dict[str, list[str]] = {}
        """Paths of the nodes that call each agent."""

    @contextmanager
    def at(self, place: Place | str, via: str) -> Any:
        """Where the operations written meanwhile come from."""
        before = self.place, self.via
        self.place, self.via = str(place), via
        try:
            yield
        finally:
            self.place, self.via = before

    def add(self, op: Operation, hint: str) -> SSAValue:
        """Put an operation at the end, with where it comes from."""
        self._operations += 1
        if self._operations > MOST_OPERATIONS:
            raise GraphImportError(
                f"the loops unroll into more than {MOST_OPERATIONS} steps; lower their bounds"
            )
        op.attributes["flowir.source"] = StringAttr(self.place)
        op.attributes["flowir.via"] = StringAttr(self.via)
        self.block.add_op(op)
        op.results[0].name_hint = identifier(hint)
        return op.results[0]

    def site(self, name: str) -> StringAttr:
        """A site name that is not taken."""
        number = self._sites[name] = self._sites.get(name, 0) + 1
        if number == 1:
            return StringAttr(name)
        return self.site(f"{name}.{number}")

    def call(self, symbol: str, inputs: Sequence[SSAValue], kind: Attribute, hint: str) -> SSAValue:
        """One call of an agent or a tool."""
        op = flow.CallOp.create(
            operands=list(inputs),
            result_types=[kind],
            properties={"callee": SymbolRefAttr(symbol), "site": self.site(hint)},
        )
        return self.add(op, hint)

    def tool(
        self,
        hint: str,
        parameters: Sequence[tuple[str, SSAValue]],
        lines: Callable[[Sequence[str]], Sequence[str]],
        kind: Attribute,
        *,
        effect: Effect = Effect.PURE,
        wait: bool = False,
    ) -> SSAValue:
        """A call of an adapter. `lines` makes its body of the names of its parameters."""
        names = _distinct([identifier(name) for name, _ in parameters])
        symbol = self.declare(hint, names, lines(names), kind, effect=effect, wait=wait)
        return self.call(symbol, [value for _, value in parameters], kind, hint)

    def declare(
        self,
        hint: str,
        names: Sequence[str],
        lines: Sequence[str],
        kind: Attribute,
        *,
        effect: Effect = Effect.PURE,
        wait: bool = False,
    ) -> str:
        """The name of a tool whose adapter has these parameters and this body; made once."""
        name = self.adapters.add(hint, names, lines, wait)
        if name not in self.tools:
            self.tools[name] = flow.ToolOp.create(
                properties={
                    "sym_name": StringAttr(self._symbol(name)),
                    "impl": StringAttr(f"{self.adapters.module}:{name}"),
                    "output": kind,
                    "effect": EffectAttr(effect),
                },
                attributes={"flowir.source": StringAttr(self.place)},
            )
        return self.tools[name].sym_name.data

    def _symbol(self, name: str) -> str:
        taken = {op.sym_name.data for op in self.agents.values()}
        taken |= {op.sym_name.data for op in self.tools.values()}
        base, number = name, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        return name

    def agent(
        self, hint: str, system: str | None, prompt: str, kind: Attribute, model: Model
    ) -> str:
        """The name of an agent that is told this and runs on this model; made once."""
        key = repr((hint, system, prompt, kind, model))
        if key not in self.agents:
            params = [] if model.temperature is None else [("temperature", model.temperature)]
            config = ConfigAttr.of(model.name, model.budget, params)
            properties: dict[str, Attribute] = {
                "sym_name": StringAttr(self._symbol(identifier(hint))),
                "prompt": StringAttr(prompt),
                "output": kind,
                "space": space_of(model),
                "baseline": config,
            }
            if system is not None:
                properties["system"] = StringAttr(system)
            self.agents[key] = flow.AgentOp.create(
                properties=properties,
                attributes={
                    "flowir.source": StringAttr(self.place),
                    "flowir.via": StringAttr(f"model {model.via}, prompt ast"),
                },
            )
        symbol = self.agents[key].sym_name.data
        nodes = self.nodes_of.setdefault(symbol, [])
        if self.node not in nodes:
            nodes.append(self.node)
        return symbol

    def branch(
        self,
        on: SSAValue,
        cases: Mapping[str, Callable[[], Env]],
        env: Env,
        live: set[str] | None,
        weights: tuple[Sequence[float], str] | None = None,
    ) -> Env:
        """One region per label; gives the state after it.

        What differs between the cases is given as one value: by itself, or packed in JSON.

        Args:
            live: keys that somebody reads later; None for all.
            weights: how often each case is taken, and how that is known; None where it is not.
        """
        outer, blocks, after = self.block, [], []
        for case in cases.values():
            self.block = Block()
            blocks.append(self.block)
            after.append(case())
        keys = dict.fromkeys(key for found in after for key in found)
        changed = [
            key
            for key in keys
            if (live is None or key in live)
            and any(found.get(key) is not env.get(key) for found in after)
        ]
        kinds = {found[key].type for key in changed for found in after if key in found}
        single = len(changed) == 1 and len(kinds) == 1 and all(changed[0] in f for f in after)
        single = single and not any(found[changed[0]] in self.unsure for found in after)
        given: list[SSAValue] = []
        for block, found in zip(blocks, after, strict=True):
            self.block = block
            given.append(found[changed[0]] if single else self.pack(found, changed))
            block.add_op(flow.YieldOp(given[-1]))
        self.block = outer
        properties: dict[str, Attribute] = {
            "labels": ArrayAttr([StringAttr(name) for name in cases]),
            "site": self.site(f"{on.name_hint}.branch"),
        }
        if weights is not None:
            properties["weights"] = ArrayAttr(map(FloatData, weights[0]))
        op = flow.BranchOp.build(
            operands=[on],
            result_types=[given[0].type],
            properties=properties,
            regions=[[Region(block) for block in blocks], []],
        )
        if weights is not None:
            op.attributes["flowir.runs"] = StringAttr(weights[1])
        result = self.add(op, changed[0] if single else "_".join(changed) or "done")
        if single:
            return {**env, changed[0]: result}
        picked = {}
        for key in changed:
            types = {found[key].type for found in after if key in found}
            sure = all(key in found and found[key] not in self.unsure for found in after)
            kind = types.pop() if sure and len(types) == 1 else json
            picked[key] = self.pick(result, key, kind, sure)
        return {**env, **picked}

    def pack(self, env: Env, keys: Sequence[str]) -> SSAValue:
        """The named values as one; those that were never written are left out."""
        there = [(key, env[key]) for key in keys if key in env]

        may_miss = tuple(key for key, value in there if value in self.unsure)

        def lines(names: Sequence[str]) -> list[str]:
            return dict_lines([key for key, _ in there], names, may_miss, "return ")

        return self.tool("_".join(["pack", *(k.strip("_") for k, _ in there)]), there, lines, json)

    def pick(self, value: SSAValue, key: str, kind: Attribute, sure: bool = True) -> SSAValue:
        """One value of several that were packed; None where it may not be there and is not."""
        name = f"pick_{key}" if kind == text else f"pick_{key}_{identifier(str(kind))}"
        picked = self.tool(
            name, [("values", value)], lambda n: [f"return {n[0]}.get({key!r})"], kind
        )
        if not sure:
            self.unsure.add(picked)
        return picked

    def set_latency(self, value: SSAValue, seconds: float, said: str) -> None:
        """What the tool that gives a value takes, in seconds."""
        assert isinstance(value.owner, flow.CallOp)
        symbol = value.owner.callee.root_reference.data
        tool = next(op for op in self.tools.values() if op.sym_name.data == symbol)
        tool.properties["latency"] = FloatData(seconds)
        tool.attributes["flowir.runs"] = StringAttr(said)

    def constant(self, hint: str, value: str, kind: Attribute) -> SSAValue:
        """A value that is always the same; `value` is how Python writes it."""
        return self.tool(hint, [], lambda _: [f"return {value}"], kind)

    def drop_unused(self, block: Block) -> None:
        """Erase calls of pure tools that nobody reads the results of."""
        pure = {t.sym_name.data for t in self.tools.values() if t.effect.data is Effect.PURE}
        for op in reversed(list(block.ops)):
            if isinstance(op, flow.CallOp) and op.callee.root_reference.data in pure:
                if not op.output.uses:
                    Rewriter.erase_op(op)
                continue
            for region in op.regions:
                self.drop_unused(region.block)


def dict_lines(
    keys: Sequence[str], names: Sequence[str], may_miss: Sequence[str], start: str
) -> list[str]:
    """Statements for a dict of parameters, without those of the keys that miss and are None."""
    pairs = ", ".join(f"{k!r}: {n}" for k, n in zip(keys, names, strict=True))
    if not may_miss:
        return [f"{start}{{{pairs}}}"]
    return [
        f"values = {{{pairs}}}",
        f"may_miss = {tuple(may_miss)!r}",
        f"{start}{{k: v for k, v in values.items() if v is not None or k not in may_miss}}",
    ]


def space_of(model: Model) -> SpaceAttr:
    """The space that has only what is used today."""
    budgets = [] if model.budget is None else [StringAttr(model.budget)]
    params: dict[str, Attribute] = {}
    if model.temperature is not None:
        params["temperature"] = ArrayAttr([FloatData(model.temperature)])
    option = ModelOptionAttr(StringAttr(model.name), ArrayAttr(budgets), DictionaryAttr(params))
    return SpaceAttr(ArrayAttr([option]))


def _distinct(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        base, number = name, 2
        while name in found:
            name, number = f"{base}_{number}", number + 1
        found.append(name)
    return found


__all__ = ["GOTO", "Building", "Env", "boolean", "dict_lines", "json", "label", "text"]
