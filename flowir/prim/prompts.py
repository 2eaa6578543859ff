"""Prompts of agents as pieces: which is text, which is an operand, and which is known early."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Operation, SSAValue

from flowir.calculus.from_ir import configurations
from flowir.dialects import flow, prim, prompt
from flowir.dialects.dse import ConfigAttr
from flowir.dialects.flow_checks import agent_inputs, fail
from flowir.prim.sizes import Size, text_tokens

ENGINE = "prim.engine"
"""On an agent: the engine that serves it."""


@dataclass(frozen=True)
class Prompt:
    """Attributes:
    pieces: in order.
    shown: the operands that they show; one that is shown twice stands here twice.
    tokens: of the whole, as expected.
    """

    pieces: ArrayAttr[prim.PieceAttr]
    shown: tuple[SSAValue, ...]
    tokens: float


def prompt_of(
    agent: flow.AgentOp,
    inputs: Sequence[SSAValue],
    sizes: Mapping[SSAValue, Size],
    late: Container[SSAValue],
) -> Prompt:
    """The prompt of an agent that is given some values, system prompt first."""
    values = dict(zip(agent_inputs(agent), inputs, strict=True))
    pieces: list[prim.PieceAttr] = []
    shown: list[SSAValue] = []
    for role, template in (("system", agent.system), ("user", agent.prompt)):
        for content, variable in _merged("" if template is None else template.data):
            if not variable:
                pieces.append(prim.PieceAttr.of(role, content, text_tokens(content)))
                continue
            value = values[content]
            piece = prim.PieceAttr.of(role, len(shown), sizes[value].tokens, value in late)
            pieces.append(piece)
            shown.append(value)
    tokens = sum(piece.tokens.data for piece in pieces)
    return Prompt(ArrayAttr(pieces), tuple(shown), tokens)


def _merged(template: str) -> list[tuple[str, bool]]:
    """The pieces of a template, neighbouring texts as one."""
    found: list[tuple[str, bool]] = []
    for content, variable in prompt.pieces(template):
        if found and not variable and not found[-1][1]:
            found[-1] = (found[-1][0] + content, False)
        else:
            found.append((content, variable))
    return found


def configuration_of(op: Operation, agent: flow.AgentOp) -> ConfigAttr | None:
    """What was chosen for a call, else what is done today, else the first of the space."""
    if isinstance(config := op.properties.get("config"), ConfigAttr):
        return config
    if agent.baseline is not None:
        return agent.baseline
    if agent.space is None:
        return None
    first = configurations(agent.space)[0]
    return ConfigAttr.of(first.model, first.budget, first.params)


def engine_of(op: Operation, agent: flow.AgentOp, otherwise: str) -> str:
    """The engine that an agent names, else the model of its configuration, else another.

    Raises:
        OperationError: the name is no string.
    """
    given = agent.attributes.get(ENGINE)
    if given is not None:
        if not isinstance(given, StringAttr):
            raise fail(agent, f'{ENGINE} is {given}; write {ENGINE} = "name"')
        return given.data
    config = configuration_of(op, agent)
    return otherwise if config is None else config.model.data
