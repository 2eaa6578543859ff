"""Lowers loops: as `flow.refine` where they are left at one node, else unrolled.

    h → … → x → h, left at x

becomes everything from h to x once, and then a refine whose value is what turns write, together
with where x goes. Its checker is a tool that accepts where that is out of the loop; its body goes
from where x leads back to x. A bound of N turns is N - 1 bodies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects.builtin import IntAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Block, Region, SSAValue

from flowir.dialects import flow
from flowir.dialects.flow_types import boolean, json, label, text
from flowir.frontends.langgraph.facts import Loop
from flowir.frontends.langgraph.lowering.adapters import identifier
from flowir.frontends.langgraph.lowering.building import GOTO, Env
from flowir.frontends.langgraph.lowering.shape import Rotation

if TYPE_CHECKING:
    from flowir.frontends.langgraph.lowering.level import Level, Visits


def refine(
    level: Level, loop: Loop, rotation: Rotation, env: Env, visits: Visits
) -> tuple[str, Env]:
    """The node after a loop, and the state when it is reached."""
    header, last = level.shape.short(loop.header), rotation.last
    visits = {**visits, header: None}
    before = _to_last(level, header, last, env, visits)
    before, on, ends = _decided(level, last, before)
    leaving = tuple(answer for answer, end in ends.items() if end == rotation.leaves)
    bound = _bound(level, loop)
    if bound == 1:
        return rotation.leaves, _without_goto(before)
    carried = _carried(level, rotation, before)
    build, place = level.build, level.owner.facts.node(loop.header).place
    with build.at(place, "builder"):
        initial = build.pack({**before, GOTO: on}, [*carried, GOTO])
    outer, block = build.block, Block(arg_types=[json, text])
    build.block = block
    block.args[0].name_hint, block.args[1].name_hint = "values", "feedback"
    with build.at(place, "builder"):
        inside = _unpacked(level, carried, block.args[0], before)
    inside = _turn(level, rotation, ends, block.args[0], inside, visits, carried)
    inside, again, _ = _decided(level, last, inside)
    with build.at(place, "builder"):
        given = build.pack({**inside, GOTO: again}, [*carried, GOTO])
    block.add_op(flow.YieldOp(given))
    build.block = outer
    checker = _checker(level, last, leaving, initial)
    _ask_about_checker(level, last, checker, list(ends))
    op = flow.RefineOp.build(
        operands=[initial, []],
        result_types=[json],
        properties={
            "until": SymbolRefAttr(checker),
            "bound": IntAttr(bound - 1),
            "site": build.site(f"{header}.refine"),
        },
        regions=[Region(block)],
    )
    turns = level.owner.options.runs.turns(loop)
    if turns is not None:
        op.attributes["flowir.runs"] = StringAttr(turns.said)
    with build.at(place, "builder"):
        refined = build.add(op, "_".join(carried) or header)
        after = _unpacked(level, carried, refined, before)
    return rotation.leaves, after


def _to_last(level: Level, start: str, last: str, env: Env, visits: Visits) -> Env:
    """The state after everything from a node up to the one where the loop is left, that too."""
    return level.nodes.run(last, level.chain(start, last, env, visits))


def _decided(level: Level, last: str, env: Env) -> tuple[Env, SSAValue, dict[str, str]]:
    on, ends = level.decide(last, env)
    return _without_goto(env), on, ends


def _without_goto(env: Env) -> Env:
    return {key: value for key, value in env.items() if key != GOTO}


def _bound(level: Level, loop: Loop) -> int:
    """Turns at most: a guard that compares with n is passed at most n + 1 times."""
    found = None if loop.bound is None else loop.bound + 1
    turns = level.owner.options.runs.turns(loop)
    return level.owner.bound(loop.header, found, None if turns is None else turns.most, "turns")


def _carried(level: Level, rotation: Rotation, env: Env) -> list[str]:
    """Keys that turns write and somebody reads later."""
    written = set[str]().union(*(level.shape.written_by(name) for name in rotation.members))
    read = level.shape.live(rotation.last) | set(level.kept())
    return [key for key in level.channels if key in written and (key in read or key in env)]


def _unpacked(level: Level, carried: list[str], values: SSAValue, before: Env) -> Env:
    """The state with what was carried; a key that only turns write may not be there yet."""
    build = level.build
    after = dict(before)
    for key in carried:
        sure = key in before and before[key] not in build.unsure
        kind = level.types.get(key, json) if sure else json
        after[key] = build.pick(values, key, kind, sure)
    return after


def _turn(
    level: Level,
    rotation: Rotation,
    ends: dict[str, str],
    values: SSAValue,
    env: Env,
    visits: Visits,
    carried: list[str],
) -> Env:
    """One more turn: from where the last one leads back to the node where the loop is left."""
    last = rotation.last
    stays = {answer: end for answer, end in ends.items() if end != rotation.leaves}
    starts = sorted(set(stays.values()))
    if len(starts) == 1:
        return _to_last(level, starts[0], last, env, visits)
    place = level.owner.facts.node(level.path(last)).place
    with level.build.at(place, "builder"):
        on = level.build.pick(values, GOTO, label)
    meeting = level.shape.common_meeting(starts, last)
    live = {*carried, *level.shape.live(meeting)}
    env = level.branch(last, on, stays, meeting, env, visits, live)
    return _to_last(level, meeting, last, env, visits)


def _checker(level: Level, last: str, leaving: tuple[str, ...], initial: SSAValue) -> str:
    """The name of the tool that says whether a loop is left."""
    place = level.owner.facts.node(level.path(last)).place
    with level.build.at(place, "builder"):
        return level.build.declare(
            f"{identifier(last)}_accepts",
            ["values"],
            [f"return values[{GOTO!r}] in {leaving!r}"],
            boolean,
        )


def _ask_about_checker(level: Level, last: str, checker: str, answers: list[str]) -> None:
    shares = level.owner.options.runs.shares(level.path(last), answers)
    seen = "" if shares is None else f"; {shares.said}"
    level.owner.ask(
        f"@{checker}",
        f"how often it accepts right and wrong results{seen}",
        "accepts of the tool",
    )


def unroll(level: Level, loop: Loop, visits: Visits) -> tuple[Visits, str | None]:
    """Pass the header of a loop once more; gives where to go on where that is too often."""
    header = level.shape.short(loop.header)
    inside = {level.shape.short(name) for name in loop.members} - {header}
    passed = (visits.get(header) or 0) + 1
    kept = {name: count for name, count in visits.items() if name not in inside}
    visits = {**kept, header: passed}
    if passed <= _bound(level, loop):
        return visits, None
    leaves = level.shape.exit_of(header)
    if leaves is None:
        raise level.refuse(header, "begins a loop that is left to several nodes")
    return visits, leaves
