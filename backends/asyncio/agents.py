"""Writes the prompts of a workflow and one coroutine for each sub-agent."""

from __future__ import annotations

from collections.abc import Iterator
from keyword import iskeyword

from flowir.backends.asyncio.layout import Expression, Group, call, lines, prefixed
from flowir.backends.asyncio.literals import assigned, docstring, quoted
from flowir.backends.asyncio.names import Names
from flowir.backends.asyncio.program import Agent, Program, python_type, runtime_type
from flowir.dialects import flow, prompt
from flowir.runtime.answers import parser_of


class AgentWriter:
    """Writes the agents of one program; prompts first, coroutines after them."""

    def __init__(self, program: Program) -> None:
        self._agents = list(program.agents.values())
        self._constants: dict[tuple[str, str], str] = {}
        self._names = program.names

    def prompts(self) -> list[str]:
        """The constants, each text once."""
        found: list[str] = []
        for agent in self._agents:
            for what in ("system", "prompt"):
                if (text := getattr(agent.op, what)) is None:
                    continue
                key = (agent.op.sym_name.data, what)
                if key in self._constants:
                    continue
                constant = self._names.new(f"{key[0]}_{what}".upper())
                self._constants[key] = constant
                variables = prompt.variables(text.data)
                template = text.data if variables else prompt.fill(text.data, {})
                found.append("\n".join(assigned(constant, template)))
        return found

    def coroutines(self) -> Iterator[list[str]]:
        """The coroutine of every agent in every role."""
        return map(self._coroutine, self._agents)

    def _coroutine(self, agent: Agent) -> list[str]:
        op = agent.op
        names = Names(("answer",), self._names)
        inputs = {name: names.new(name, "text") for name in op.inputs}
        parameters = ["ctx: Context", "site: str", *(f"{name}: str" for name in inputs.values())]
        default = agent.default
        config = "config" if len(agent.configs) > 1 else quoted(agent.configs[0])
        if len(agent.configs) > 1:
            initial = "" if default is None else f" = {quoted(default)}"
            parameters += ["*", f"config: str{initial}"]
        texts = [self._filled(op, "prompt", inputs)]
        if op.system is not None:
            texts.append(self._filled(op, "system", inputs))
        writes = agent.role == "writes"
        asked = call("pieces_of" if writes else "await ask", "ctx", "site", config, *texts)
        kind, read = _reading(agent)
        head = Group(
            f"{'' if writes else 'async '}def {agent.name}(", tuple(parameters), f") -> {kind}"
        )
        body: list[Expression] = [prefixed("return ", asked)]
        if read is not None:
            body = [prefixed("answer = ", asked), prefixed("return ", read)]
        return [
            *lines(head, 0, ":"),
            *docstring(_description(agent), 1),
            *(line for statement in body for line in lines(statement, 1)),
        ]

    def _filled(self, op: flow.AgentOp, what: str, inputs: dict[str, str]) -> Expression:
        """A prompt with its variables filled in."""
        constant = self._constants[op.sym_name.data, what]
        variables = prompt.variables(getattr(op, what).data)
        if not variables:
            return constant
        arguments = [f"{name}={inputs[name]}" for name in variables if not iskeyword(name)]
        if words := [f"{quoted(name)}: {inputs[name]}" for name in variables if iskeyword(name)]:
            arguments.append(f"**{{{', '.join(words)}}}")
        return call(f"{constant}.format", *arguments)


def _description(agent: Agent) -> str:
    """One sentence about a coroutine."""
    name = f"Sub-agent @{agent.op.sym_name.data}"
    what = {
        "answers": name,
        "accepts": f"{name}: whether it accepts",
        "judges": f"{name}: what it says of a value",
        "picks": f"{name}: names one of the candidates",
        "writes": f"{name}: what it writes, piece by piece",
    }[agent.role]
    if agent.role == "answers" and agent.op.metric is not None:
        what += f" ({agent.op.metric.data})"
    return f"{what}."


def _reading(agent: Agent) -> tuple[str, Expression | None]:
    """The type of what a coroutine gives, and how it reads `answer`; None where that is all."""
    if agent.role == "picks":
        return "str", None
    if agent.role == "writes":
        return "AsyncIterator[str]", None
    if agent.role == "judges":
        return "Verdict", call("read_verdict", "answer")
    if agent.role == "accepts":
        return "bool", "read_verdict(answer).accepted"
    output = agent.op.output
    kind = python_type(output)
    match parser_of(agent.op):
        case "code":
            return kind, call("read_code", "answer")
        case "lines":
            return kind, call("read_lines", "answer")
        case "verdict":
            return kind, "read_verdict(answer).accepted"
        case "label":
            labels = Group("(", tuple(map(quoted, agent.labels)), ")", collection=True)
            return kind, call("read_label", "answer", labels)
        case "json":
            item = []
            if isinstance(output, flow.ListType) and runtime_type(output.element) != "object":
                item = [runtime_type(output.element)]
            return kind, call("read_json", "site", "answer", runtime_type(output), *item)
        case _:
            return kind, None
