"""Emitted files under `langgraph dev`: LangGraph's own server, asked through its own client.

The server is a process on loopback. It may neither look for newer versions of itself, nor tell
anybody that it runs, nor trace to LangSmith.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from flowir.backends.langgraph.emit import emit
from tests.backends.test_langgraph_streaming import SITES, TEXT, answers
from tests.strategies_ir import parse

pytestmark = pytest.mark.slow

STARTUP_S = 120.0
TOOL = """
flow.tool @shout impl "own_tools:shout" -> !flow.text effect pure
flow.workflow @loud(%t: !flow.text) -> !flow.text {
  %a = flow.call @shout(%t) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
"""
SHOUT = """
import time

def shout(text):
    time.sleep(0.01)
    return text.upper()
"""
QUIET = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGSMITH_TRACING": "false",
}
HIDDEN = ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "LANGGRAPH_CLOUD_LICENSE_KEY")


@pytest.fixture(scope="module")
def dev(running_proxy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server, for a folder set up as docs/langgraph.md says."""
    folder = tmp_path_factory.mktemp("dev")
    (folder / "workflow.py").write_text(emit(parse(TEXT)), encoding="utf-8")
    (folder / "loud.py").write_text(emit(parse(TOOL)), encoding="utf-8")
    (folder / "own_tools.py").write_text(SHOUT)
    graphs = {name: f"./{name}.py:graph" for name in ("workflow", "loud")}
    (folder / "langgraph.json").write_text(json.dumps({"dependencies": ["."], "graphs": graphs}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    environment |= {**QUIET, "OPENAI_BASE_URL": running_proxy.address, "OPENAI_API_KEY": "key"}
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    log = folder / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder, env=environment, stdout=written, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait(f"http://127.0.0.1:{port}/ok", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + STARTUP_S
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(address).is_success:
                return
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"the server did not start:\n{log.read_text()}")
        time.sleep(0.1)


def _stream(address: str, modes: list[Any], thread: bool, **context: Any) -> list[Any]:
    async def main() -> list[Any]:
        client = get_client(url=address, api_key=None)
        number = (await client.threads.create())["thread_id"] if thread else None
        stream = client.runs.stream(
            number, "workflow", input={"t": "it"}, stream_mode=modes,
            context={"provider": "openai", **context},
        )  # fmt: skip
        found = [(part.event, part.data) async for part in stream]
        if number is not None:
            found.append(("state", await client.threads.get_state(number)))
            again = client.runs.stream(
                number, "workflow", stream_mode=modes,
                context={"provider": "openai", **context},
            )  # fmt: skip
            found += [(part.event, part.data) async for part in again]
        return found

    return asyncio.run(main())


def test_the_server_knows_the_graph_its_sites_and_its_schemas(dev: str) -> None:
    async def main() -> tuple[Any, Any]:
        client = get_client(url=dev, api_key=None)
        (assistant,) = await client.assistants.search(graph_id="workflow")
        number = assistant["assistant_id"]
        return await client.assistants.get_graph(number), await client.assistants.get_schemas(
            number
        )

    graph, schemas = asyncio.run(main())
    sites: list[str] = []
    for node in graph["nodes"]:
        told = node.get("metadata") or {}
        sites += told.get("flowir.sites", [told["flowir.site"]] if "flowir.site" in told else [])
    assert sorted(sites) == sorted(SITES)
    assert set(schemas["input_schema"]["properties"]) == {"t"}
    assert set(schemas["output_schema"]["properties"]) == {"result"}
    assert "point" in schemas["context_schema"]["properties"]


def test_a_run_streams_tokens_by_site_and_gives_the_answer(dev: str, proxy: Any) -> None:
    texts: dict[str, list[str]] = defaultdict(list)
    found = _stream(dev, ["messages-tuple", "values", "custom"], thread=False)
    for event, data in found:
        if event == "messages":
            chunk, metadata = data
            texts[metadata["flowir.site"]].append(chunk["content"])
    assert {site: "".join(pieces) for site, pieces in texts.items()} == answers("it")
    values = [data for event, data in found if event == "values"]
    assert values[-1]["result"] == answers("it")["d"]
    told = {data["site"]: data for event, data in found if event == "custom"}
    assert told.keys() == SITES.keys()
    assert all(data["output_tokens"] > 0 for data in told.values())
    assert not [data for event, data in found if event == "error"]


def test_tools_are_found_beside_the_file_and_may_block(dev: str) -> None:
    async def main() -> Any:
        client = get_client(url=dev, api_key=None)
        return await client.runs.wait(None, "loud", input={"t": "it"}, context={})

    assert asyncio.run(main())["result"] == "IT"


def test_a_run_that_failed_goes_on_from_its_thread(dev: str, proxy: Any) -> None:
    """The last call fails for good; what the server has kept, nobody asks for again."""
    last = {"tries": 0}

    def fault(key: str, before: int) -> Any:
        if len(proxy.requests) < len(SITES):
            return None
        last["tries"] += 1
        return "500" if last["tries"] == 1 else None

    proxy.reset(fault)
    found = _stream(dev, ["values"], thread=True, retries=0)
    assert [data["error"] for event, data in found if event == "error"] == ["CallError"]
    (state,) = [data for event, data in found if event == "state"]
    assert state["values"]["b"] == answers("it")["b"]
    assert found[-1][1]["result"] == answers("it")["d"]
    assert sorted(proxy.requests.values()) == [1, 1, 1, 2]
