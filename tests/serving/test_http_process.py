"""`flowir serve` as a process: how it starts, stops and dies."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from flowir.cli.main import cli
from tests.profiler.endpoint import Reply, endpoint
from tests.serving_http import ONE_CALL, free_port, process, until

KEY = "a-key-of-the-endpoint"
TOKEN = "a-token-of-a-client-of-ours"
SECRET = "a question that nobody may read"


def ask(url: str, **options: Any) -> httpx.Response:
    body = {"model": "w", "messages": [{"role": "user", "content": SECRET}]}
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.post(
        f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60, **options
    )


def test_it_stops_when_told_after_what_is_under_way_and_says_no_secrets(tmp_path: Path) -> None:
    path = tmp_path / "w.mlir"
    path.write_text(ONE_CALL)
    go = threading.Event()

    def answer(body: dict[str, Any]) -> Reply:
        return Reply("the end", delay_s=0.0 if go.is_set() else 1.5)

    with endpoint(answer) as backend:
        options = ["--endpoint", f"m={backend.url}", "--port", "0"]
        environment = {"OPENAI_API_KEY": KEY, "FLOWIR_SERVE_TOKENS": TOKEN}
        with process(path, *options, environment=environment) as (url, served, said):
            assert url.startswith("http://127.0.0.1:")
            assert httpx.post(f"{url}/v1/chat/completions", json={}).status_code == 401
            answers: list[httpx.Response] = []
            asking = threading.Thread(target=lambda: answers.append(ask(url)))
            asking.start()
            until(lambda: bool(backend.open["m"]))
            served.send_signal(signal.SIGTERM)
            asking.join(30)
            assert served.wait(30) == 0
            assert answers[0].json()["choices"][0]["message"]["content"] == "the end"
            with pytest.raises(httpx.TransportError):
                ask(url)
    text = "".join(said)
    for secret in (KEY, TOKEN, SECRET):
        assert secret not in text


def test_killed_and_started_again_it_has_lost_what_was_under_way_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "w.mlir"
    path.write_text(ONE_CALL)
    slow = threading.Event()
    slow.set()

    def answer(body: dict[str, Any]) -> Reply:
        return Reply("well", delay_s=60.0 if slow.is_set() else 0.0)

    with endpoint(answer) as backend:
        port = str(free_port())
        options = ["--endpoint", backend.url, "--port", port]
        with process(path, *options) as (url, served, _):
            lost: list[Exception] = []

            def asking() -> None:
                try:
                    ask(url)
                except httpx.TransportError as error:
                    lost.append(error)

            thread = threading.Thread(target=asking)
            thread.start()
            until(lambda: bool(backend.open["m"]))
            served.kill()
            thread.join(30)
            assert len(lost) == 1
            until(lambda: not backend.open["m"])  # The endpoint is not left at work.
        slow.clear()
        with process(path, *options) as (again, _, _):
            assert again == url
            assert ask(again).json()["choices"][0]["message"]["content"] == "well"


def serve(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["serve", *options])
    return result.exit_code, result.output


def test_what_cannot_be_served_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "w.mlir"
    path.write_text(ONE_CALL)
    good = str(path)
    (tmp_path / "none.mlir").write_text("flow.workflow")
    (tmp_path / "e.toml").write_text('[[endpoint]]\nurl = "http://a/v1"\napi_key = "x"\n')
    (tmp_path / "f.json").write_text('{"endpoint": [{"url": "http://a/v1", "slot": 3}]}')
    url = "http://127.0.0.1:1/v1"
    for options, words in (
        ([str(tmp_path / "missing.mlir"), "--endpoint", url], "cannot be read"),
        ([str(tmp_path / "none.mlir"), "--endpoint", url], "none.mlir:1:14: error"),
        ([good], "give --endpoint"),
        ([good, "--endpoint", "m=ftp://x"], "write [MODEL=]http://HOST/v1"),
        ([good, "--endpoint", "http://user:secret@host/v1"], "holds a name or a password"),
        ([good, "--endpoint", f"other={url}"], "no endpoint serves m"),
        ([good, "--endpoint", url, "--point", "1"], "no front to select from"),
        ([good, "--endpoint", url, "--endpoints", str(tmp_path / "x.toml")], "cannot be read"),
        ([good, "--endpoints", str(tmp_path / "e.toml")], "keys do not belong in files"),
        ([good, "--endpoints", str(tmp_path / "f.json")], "unknown slot"),
        ([good, "--endpoint", url, "--token-file", str(tmp_path / "t")], "cannot be read"),
        ([good, "--endpoint", url, "--engines", str(tmp_path / "n.json")], "n.json"),
        ([good, "--endpoint", url, "--host", "256.0.0.1"], "cannot listen there"),
    ):
        code, output = serve(*options)
        assert code == 1, output
        assert words in output
        assert "secret" not in output
        assert "Traceback" not in output
        # Below a message with a place stands the line, and a mark under it.
        assert len(output.strip().splitlines()) == (3 if ": error: " in output else 1)


def test_help_has_an_example() -> None:
    code, output = serve("--help")
    assert code == 0
    assert "Example: flowir serve front.mlir --endpoint" in " ".join(output.split())
