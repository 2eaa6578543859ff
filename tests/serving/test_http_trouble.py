"""What goes wrong with endpoints and clients stays theirs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from flowir.serving.endpoints import Endpoint
from flowir.serving.loads import LONGEST_REST_S, Reported
from flowir.serving.service import Limits, Service
from tests.openai_server import Proxy, proxied, upstream
from tests.profiler.endpoint import Reply, endpoint, error
from tests.serving_http import (
    ONE_CALL,
    THREE_STAGES,
    Running,
    compiled,
    free_port,
    running,
    until,
)


def ask_all(served: Running, requests: int, **more: Any) -> list[httpx.Response]:
    """All at the same time."""
    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(lambda n: served.ask(f"question {n}", **more), range(requests)))


def test_ten_times_what_fits_is_shed_and_the_server_recovers(tmp_path: Path) -> None:
    with endpoint(lambda body: Reply(delay_s=0.3)) as backend:
        limits = Limits(requests=2)
        with running(compiled(tmp_path), [Endpoint("e", backend.url, slots=1)], limits) as served:
            answers = ask_all(served, 20)
            shed = [one for one in answers if one.status_code == 429]
            assert Counter(one.status_code for one in answers).keys() == {200, 429}
            assert all(int(one.headers["retry-after"]) >= 1 for one in shed)
            assert {one.json()["error"]["code"] for one in shed} == {"overloaded"}
            assert backend.most["m"] == 1
            assert served.ask().status_code == 200
            assert served.service.active == 0
            assert f'outcome="refused"}} {len(shed)}.0' in served.metrics()


def test_a_dead_endpoint_costs_nobody_an_answer(tmp_path: Path) -> None:
    with endpoint() as backend:
        dead = Endpoint("dead", f"http://127.0.0.1:{free_port()}/v1")
        with running(compiled(tmp_path), [dead, Endpoint("alive", backend.url)]) as served:
            assert {one.status_code for one in ask_all(served, 8)} == {200}
            replica = served.service.dispatcher.replicas["m at dead"]
            # How often it was asked depends on how quick the other one was.
            assert replica.failures >= 1
            assert (replica.rests_until > 0) == (replica.failures >= 3)


def test_without_any_endpoint_left_the_client_is_told_when_to_come_again(tmp_path: Path) -> None:
    dead = Endpoint("dead", f"http://127.0.0.1:{free_port()}/v1")
    with running(compiled(tmp_path), [dead], Limits(retries=0)) as served:
        first = served.ask()
        assert first.status_code == 502
        assert first.json()["error"]["code"] == "model_failed"
        assert "127.0.0.1" not in first.text
        served.ask()
        served.ask()
        assert served.client.get(f"{served.url}/ready").status_code == 503
        assert served.client.get(f"{served.url}/health").status_code == 200


def test_an_endpoint_that_comes_back_is_used_again(tmp_path: Path) -> None:
    broken = threading.Event()
    broken.set()

    def answer(body: dict[str, Any]) -> Reply:
        return error(503) if broken.is_set() else Reply("back")

    with (
        endpoint(answer) as backend,
        running(compiled(tmp_path), [Endpoint("e", backend.url)], Limits(retries=0)) as served,
    ):
        for _ in range(3):
            assert served.ask().status_code == 502
        assert served.client.get(f"{served.url}/ready").status_code == 503
        broken.clear()
        assert served.ask().json()["choices"][0]["message"]["content"] == "back"
        assert served.ask().status_code == 200


def test_a_call_that_hangs_is_given_up_and_made_elsewhere(tmp_path: Path) -> None:
    with endpoint(lambda body: Reply(delay_s=60)) as hangs, endpoint() as backend:
        places = [Endpoint("hangs", hangs.url), Endpoint("alive", backend.url)]
        with running(compiled(tmp_path), places, Limits(call_timeout_s=0.5)) as served:
            assert {one.status_code for one in ask_all(served, 8)} == {200}
            until(lambda: not hangs.open["m"])  # They were hung up on.
            assert hangs.bodies


def test_a_stream_that_breaks_before_its_first_piece_is_begun_elsewhere(tmp_path: Path) -> None:
    with endpoint(lambda body: error(500)) as breaks, endpoint(lambda body: Reply("well")) as other:
        places = [Endpoint("breaks", breaks.url), Endpoint("other", other.url)]
        with running(compiled(tmp_path), places) as served:
            for _ in range(3):
                assert '"content":"well"' in served.ask(stream=True).text
        assert breaks.bodies


def test_the_slower_endpoint_gets_less(tmp_path: Path) -> None:
    with (
        endpoint(lambda body: Reply(delay_s=0.5)) as slow,
        endpoint(lambda body: Reply(delay_s=0.05)) as fast,
    ):
        places = [Endpoint("slow", slow.url, slots=8), Endpoint("fast", fast.url, slots=8)]
        with running(compiled(tmp_path), places) as served:
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda n: served.ask(str(n)), range(24)))
            assert {one.status_code for one in answers} == {200}
            replicas = served.service.dispatcher.replicas
            assert len(fast.bodies) > len(slow.bodies)
            assert replicas["m at slow"].slowdown > replicas["m at fast"].slowdown


def test_what_an_endpoint_says_of_itself_cannot_shut_it_or_hide_its_calls(tmp_path: Path) -> None:
    with endpoint(lambda body: Reply(delay_s=0.2)) as backend:

        def lie(service: Service) -> None:
            (replica,) = service.dispatcher.replicas.values()
            replica.says(Reported(1e12, 1e12, time.monotonic()))

        place = Endpoint("e", backend.url, slots=4)
        with running(compiled(tmp_path), [place], prepare=lie) as served:
            assert served.ask().status_code == 200  # It says that it is full, and is asked.
            (replica,) = served.service.dispatcher.replicas.values()
            replica.says(Reported(0.0, 0.0, time.monotonic()))
            assert {one.status_code for one in ask_all(served, 12)} == {200}
            assert backend.most["m"] <= 4  # It says that it is idle, and gets what fits.


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_cancels_the_work(tmp_path: Path, stream: bool) -> None:
    with (
        endpoint(lambda body: Reply(delay_s=60)) as backend,
        running(compiled(tmp_path, THREE_STAGES), [Endpoint("e", backend.url)]) as served,
    ):
        body = {"model": "w", "messages": [{"role": "user", "content": "a"}], "stream": stream}

        async def main() -> None:
            async with httpx.AsyncClient(timeout=60, verify=False) as client:
                url = f"{served.url}/v1/chat/completions"
                asking = asyncio.create_task(client.post(url, json=body))
                while not backend.open["small"]:
                    await asyncio.sleep(0.01)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

        asyncio.run(main())
        until(lambda: not backend.open["small"])
        until(lambda: served.service.active == 0)
        assert len(backend.bodies) == 1
        assert not any(r.flights for r in served.service.dispatcher.replicas.values())
        assert 'outcome="cancelled"} 1.0' in served.metrics()


def test_a_deadline_ends_the_run_and_its_calls(tmp_path: Path) -> None:
    with (
        endpoint(lambda body: Reply(delay_s=60)) as backend,
        running(compiled(tmp_path), [Endpoint("e", backend.url)]) as served,
    ):
        late = served.ask(headers={"x-flowir-deadline-s": "0.3"})
        assert late.status_code == 504
        assert late.json()["error"]["code"] == "deadline_exceeded"
        until(lambda: not backend.open["m"])
        for wrong in ("0", "-1", "nan", "inf", "soon"):
            assert served.ask(headers={"x-flowir-deadline-s": wrong}).status_code == 400


def test_a_budget_without_prices_is_refused(tmp_path: Path) -> None:
    with (
        endpoint() as backend,
        running(compiled(tmp_path), [Endpoint("e", backend.url)]) as served,
    ):
        refused = served.ask(headers={"x-flowir-budget-usd": "1"})
        assert refused.json()["error"]["code"] == "no_prices"
        assert not backend.bodies


def test_what_no_other_endpoint_would_answer_is_not_repeated(tmp_path: Path) -> None:
    with endpoint(lambda body: error(400, "the prompt is too long: hello")) as backend:
        places = [Endpoint("a", backend.url), Endpoint("b", f"{backend.url}/")]
        with running(compiled(tmp_path), places) as served:
            failed = served.ask()
            assert failed.status_code == 502
            assert "hello" not in failed.text
            assert len(backend.bodies) == 1


def test_a_rate_limit_is_obeyed(tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        return error(429, **{"retry-after": "1"}) if len(backend.bodies) == 1 else Reply("later")

    with (
        endpoint(answer) as backend,
        running(compiled(tmp_path), [Endpoint("e", backend.url)]) as served,
    ):
        assert served.ask().status_code == 200
        assert len(backend.times) == 2
        assert backend.times[1] - backend.times[0] >= 1.0


def test_all_answers_are_right_where_a_real_server_fails_now_and_then(tmp_path: Path) -> None:
    """LLMock behind a proxy that fails every third request, each time in another way."""
    kinds: Any = ("500", "503", "hang up", "garbage", "no choices", "cut", "rate limit")
    count = iter(range(10**6))

    def fault(key: str, before: int) -> Any:
        number = next(count)
        return kinds[number // 3 % len(kinds)] if number % 3 == 0 else None

    with upstream() as address, proxied(address) as proxy:
        assert isinstance(proxy, Proxy)
        proxy.reset(fault)
        places = [Endpoint("a", proxy.address), Endpoint("b", f"{proxy.address}/../v1")]
        with running(compiled(tmp_path, ONE_CALL), places, Limits(retries=6)) as served:
            for n in range(30):
                answer = served.ask(f"question {n}")
                assert answer.json()["choices"][0]["message"]["content"] == (
                    f"Hello! You said: Say: question {n}"
                )
        assert sum(number for kind, number in proxy.done.items() if kind != "none") >= 7


def test_an_endpoint_never_rests_for_ever(tmp_path: Path) -> None:
    with running(compiled(tmp_path), [Endpoint("e", "http://127.0.0.1:1/v1")]) as served:
        (replica,) = served.service.dispatcher.replicas.values()
        for _ in range(100):
            replica.failed(0.0, rest_s=1e9)
        assert replica.rests_until <= LONGEST_REST_S
