"""`flowir serve --profile --queries`: what a request may be run with, end to end."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flowir.profiler.data import read_data
from flowir.search.observed import read_observed
from flowir.serving import service
from flowir.serving.compiled import Wanted, read_compiled
from flowir.serving.endpoints import Endpoint
from flowir.serving.expectations import Expectations, FirstTokens
from flowir.serving.learning import learned_routing
from flowir.serving.service import Route
from flowir.serving.sets import ConfigurationSet
from tests.profiler.endpoint import Reply, endpoint
from tests.serving.conftest import Files
from tests.serving_fronts import Known, write_front
from tests.serving_http import process, running
from tests.serving_worlds import text


def metrics(page: str) -> dict[tuple[str, ...], float]:
    """Samples by name and values of labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_server_routes_easy_requests_to_what_is_cheap(learned: Files) -> None:
    """With fits that are there, torch is not imported."""
    compiled = read_compiled(learned.front, wanted=Wanted(routed=True))
    observed = read_observed(str(learned.profile), None, 0)
    learned_routing(compiled, observed, read_data(learned.informative), 0.05)
    draw = np.random.default_rng(5)
    easy, hard = ([text(one, draw) for _ in range(8)] for one in (True, False))
    options = ["--port", "0", "--scheduler", "cheapest-per-input", "--tolerance", "0.05"]
    options += ["--profile", str(learned.profile), "--queries", str(learned.informative)]
    environment = {"FLOWIR_CACHE_DIR": str(learned.cache), "OMP_NUM_THREADS": "1"}
    with endpoint(lambda body: Reply(body["model"])) as backend:
        options += ["--endpoint", backend.url]
        with process(learned.front, *options, environment=environment) as (url, served, said):
            client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
            with client:
                taken = {
                    kind: [
                        client.chat.completions.create(
                            model="w", messages=[{"role": "user", "content": one}]
                        )
                        .choices[0]
                        .message.content
                        for one in texts
                    ]
                    for kind, texts in (("easy", easy), ("hard", hard))
                }
            page = metrics(httpx.get(f"{url}/metrics").text)
            maps = Path(f"/proc/{served.pid}/maps")
            if maps.exists():
                assert "torch" not in maps.read_text()
    assert taken["easy"].count("small") >= 7
    assert taken["hard"].count("large") >= 7
    assert page["flowir_routings_total", "routed"] == 16
    assert page["flowir_routing_seconds_count",] == 16
    assert page["flowir_open_configurations_count",] == 16
    assert page["flowir_open_configurations_sum",] == 16 + taken["easy"].count("small") + taken[
        "hard"
    ].count("small")
    words = " ".join("".join(said).split())
    assert "routing compares a request with 120 known queries; calibrated on 120 others" in words
    assert "of accuracy is lost (95 % confidence)" in words
    assert "of requests get something cheaper" in words


THREE = (
    Known(("large", "large"), 0.81, 3e-4),
    Known(("small", "large"), 0.80, 1e-4),
    Known(("small", "small"), 0.60, 2e-5),
)
"""The first is asked for, the second keeps accuracy on average, the third for some requests."""


def route(expectations: Expectations) -> Route:
    """Which rows a request names."""
    every = expectations.compiled.every

    def of(inputs: Mapping[str, Any]) -> ConfigurationSet:
        if inputs["task"] == "fails":
            raise ValueError("no")
        return expectations.set_of([every[int(number)] for number in inputs["task"].split()])

    return of


def made(answer: Any) -> tuple[str, ...]:
    assert answer.status_code == 200, answer.text
    return tuple(answer.json()["flowir"]["configurations"].values())


def test_a_budget_and_a_route_hold_at_once(tmp_path: Path) -> None:
    path = write_front(tmp_path / "w.mlir", THREE)
    compiled = read_compiled(path, wanted=Wanted(point=0, routed=True))
    assert (len(compiled.rows), len(compiled.others)) == (2, 1)
    with (
        endpoint(lambda body: Reply(body["model"])) as backend,
        running(
            compiled,
            [Endpoint("e", backend.url)],
            route=route(Expectations(compiled, FirstTokens())),
            scheduler="cheapest-per-input",
        ) as served,
    ):

        def asked(text: str, budget: float | None = None) -> Any:
            headers = {} if budget is None else {"x-flowir-budget-usd": str(budget)}
            return served.ask(text, headers=headers)

        assert made(asked("0")) == ("large", "large")
        assert made(asked("0 1 2")) == ("small", "small")
        # A route that fails leaves what keeps accuracy on average, and not the third.
        assert made(asked("fails")) == ("small", "large")
        assert made(asked("0 1", 2e-4)) == ("small", "large")
        assert made(asked("0 2", 2e-4)) == ("small", "small")
        # All that the route leaves costs too much: what keeps accuracy on average, if it is cheap.
        assert made(asked("0", 2e-4)) == ("small", "large")
        refused = asked("0", 5e-5)
        assert refused.status_code == 402
        assert refused.json()["error"]["code"] == "budget_too_small"
        assert made(asked("0 2", 5e-5)) == ("small", "small")
        assert asked("fails", 5e-5).status_code == 402
        page = metrics(served.metrics())
    assert page["flowir_routings_total", "failed"] == 2
    assert page["flowir_routings_total", "routed"] == 7
    assert page["flowir_requests_total", "budget_too_small"] == 2


def test_a_route_that_takes_too_long_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ROUTING_S", 0.05)
    go = threading.Event()

    def slow(expectations: Expectations) -> Route:
        def of(inputs: Mapping[str, Any]) -> ConfigurationSet:
            go.wait(60)
            return expectations.set_of([expectations.compiled.every[2]])

        return of

    path = write_front(tmp_path / "w.mlir", THREE)
    compiled = read_compiled(path, wanted=Wanted(point=0, routed=True))
    with (
        endpoint(lambda body: Reply(body["model"])) as backend,
        running(
            compiled,
            [Endpoint("e", backend.url)],
            route=slow(Expectations(compiled, FirstTokens())),
        ) as served,
    ):
        try:
            assert made(served.ask()) in {("large", "large"), ("small", "large")}
        finally:
            go.set()
        assert metrics(served.metrics())["flowir_routings_total", "late"] == 1
