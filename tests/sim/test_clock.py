"""The virtual clock keeps asyncio's order and adds up time exactly."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.sim.clock import DeadlockError, VirtualClockLoop, run


async def _now() -> float:
    return asyncio.get_running_loop().time()


def test_a_sleep_of_a_year_takes_no_real_time_and_ends_exactly_then() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86400.0)
        return await _now()

    before = time.perf_counter()
    assert run(main()) == 365 * 86400.0
    assert time.perf_counter() - before < 1.0


def test_timers_run_in_time_order_and_equal_times_in_the_order_they_were_set() -> None:
    async def main() -> list[str]:
        log: list[str] = []

        async def say(word: str, delay: float) -> None:
            await asyncio.sleep(delay)
            log.append(f"{word}@{await _now():g}")

        await asyncio.gather(say("c", 3), say("a", 1), say("b1", 2), say("b2", 2), say("z", 0))
        return log

    assert run(main()) == ["z@0", "a@1", "b1@2", "b2@2", "c@3"]


def test_times_closer_than_the_real_clock_resolves_keep_their_order() -> None:
    async def main() -> list[tuple[str, float]]:
        log: list[tuple[str, float]] = []

        async def say(word: str, delay: float) -> None:
            await asyncio.sleep(delay)
            log.append((word, await _now()))

        await asyncio.gather(say("later", 1 + 2e-12), say("sooner", 1 + 1e-12))
        return log

    assert run(main()) == [("sooner", 1 + 1e-12), ("later", 1 + 2e-12)]


@pytest.mark.parametrize("start", [1e7, 1e9, 1e12])
def test_late_clocks_still_reach_their_timers(start: float) -> None:
    """At 1e9 s the spacing of floats exceeds a nanosecond, the resolution asyncio assumes."""

    async def main() -> float:
        await asyncio.sleep(start)
        for _ in range(100):
            await asyncio.sleep(0.1)
        return await _now()

    expected = start
    for _ in range(100):
        expected += 0.1
    assert run(main()) == expected


@dataclass(frozen=True)
class Nap:
    seconds: float


@dataclass(frozen=True)
class Chain:
    parts: tuple[Program, ...]


@dataclass(frozen=True)
class Fork:
    parts: tuple[Program, ...]


@dataclass(frozen=True)
class Race:
    """The first of the parts to end; the others are cancelled."""

    parts: tuple[Program, ...]


@dataclass(frozen=True)
class Limit:
    part: Program
    seconds: float


Program = Nap | Chain | Fork | Race | Limit


def _programs() -> st.SearchStrategy[Program]:
    naps = st.integers(0, 50).map(lambda eighths: Nap(eighths / 8))

    def bigger(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
        some = st.lists(inner, min_size=1, max_size=4).map(tuple)
        return st.one_of(
            some.map(Chain),
            some.map(Fork),
            some.map(Race),
            # No ties with the naps: a limit falls between their multiples of 1/8.
            st.builds(Limit, inner, st.integers(0, 100).map(lambda n: n / 8 + 1 / 16)),
        )

    return st.recursive(naps, bigger, max_leaves=12)


def _duration(program: Program) -> float:
    match program:
        case Nap(seconds=seconds):
            return seconds
        case Chain(parts=parts):
            return sum(map(_duration, parts))
        case Fork(parts=parts):
            return max(map(_duration, parts))
        case Race(parts=parts):
            return min(map(_duration, parts))
        case Limit(part=part, seconds=seconds):
            return min(_duration(part), seconds)


async def _execute(program: Program) -> None:
    match program:
        case Nap(seconds=seconds):
            await asyncio.sleep(seconds)
        case Chain(parts=parts):
            for part in parts:
                await _execute(part)
        case Fork(parts=parts):
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(_execute(part))
        case Race(parts=parts):
            tasks = [asyncio.create_task(_execute(part)) for part in parts]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        case Limit(part=part, seconds=seconds):
            try:
                async with asyncio.timeout(seconds):
                    await _execute(part)
            except TimeoutError:
                pass


@given(_programs())
def test_any_program_takes_the_time_computed_by_hand(program: Program) -> None:
    """Durations are multiples of 1/16, so sums and maxima are exact in floating point."""

    async def main() -> float:
        await _execute(program)
        return await _now()

    assert run(main()) == _duration(program)


def test_a_failing_task_of_a_group_cancels_its_siblings_at_once() -> None:
    async def main() -> list[str]:
        log: list[str] = []

        async def fails() -> None:
            await asyncio.sleep(1)
            raise ValueError("no")

        async def waits() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                log.append(f"cancelled@{await _now():g}")
                raise

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(waits())
                group.create_task(fails())
        except* ValueError:
            log.append(f"failed@{await _now():g}")
        return log

    assert run(main()) == ["cancelled@1", "failed@1"]


def test_a_timeout_interrupts_a_sleep_and_shields_are_respected() -> None:
    async def main() -> tuple[float, float]:
        kept = asyncio.create_task(asyncio.sleep(5))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(kept), 2)
        first = await _now()
        await kept
        return first, await _now()

    assert run(main()) == (2.0, 5.0)


def test_a_deadlock_is_an_error_that_says_who_waits_and_where() -> None:
    async def waits_for_nobody(event: asyncio.Event) -> None:
        await event.wait()

    async def main() -> None:
        await asyncio.sleep(7)
        await asyncio.create_task(waits_for_nobody(asyncio.Event()), name="stuck")

    with pytest.raises(DeadlockError) as caught:
        run(main())
    message = str(caught.value)
    assert "deadlock at 7 virtual seconds: 2 tasks" in message
    assert "stuck: " in message
    assert "waits_for_nobody" in message
    assert f"({__file__}:" in message


def test_a_wait_for_infinity_is_a_deadlock_too() -> None:
    with pytest.raises(DeadlockError):
        run(asyncio.sleep(math.inf))


def test_a_deadlock_still_runs_the_clean_up_of_every_task() -> None:
    log: list[str] = []

    async def main() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(3)
            log.append("cleaned up")

    with pytest.raises(DeadlockError):
        run(main())
    assert log == ["cleaned up"]


def test_a_timeout_around_a_wait_is_no_deadlock() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(9):
                await asyncio.Event().wait()
        return await _now()

    assert run(main()) == 9.0


def test_work_in_threads_takes_no_virtual_time_and_is_waited_for() -> None:
    async def main() -> tuple[str, float]:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(asyncio.sleep(10))
            working = group.create_task(asyncio.to_thread(_slow))
            answer = await working
            at = await _now()
            await ticking
        return answer, at

    def _slow() -> str:
        time.sleep(0.05)
        return "done"

    assert run(main()) == ("done", 0.0)


def test_sockets_are_waited_for_in_real_time() -> None:
    """A readable socket is something outside that can wake the loop: no deadlock."""

    async def main() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"echo\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        return line

    assert run(main()) == b"echo\n"


def test_each_run_has_its_own_clock_and_leaves_nothing_behind() -> None:
    threads = threading.active_count()
    assert run(asyncio.to_thread(len, "four")) == 4
    assert run(_now()) == 0.0
    assert threading.active_count() == threads
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_a_closed_loop_still_tells_the_time() -> None:
    loop = VirtualClockLoop()
    loop.run_until_complete(asyncio.sleep(2.5))
    loop.close()
    assert loop.time() == 2.5
