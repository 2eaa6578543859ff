"""How fast the profiler asks, and what kills cost it, against an endpoint on loopback.

    python -m benchmarks.profiling [--quick] [--seed N] [--kills N] [--json FILE]

The endpoint answers at once, so the profiler itself is what is measured: requests through the
OpenAI SDK, judging, and a transaction per call. Kills are `kill -9` at random moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import openai  # noqa: F401

from benchmarks.figures import Figures, arguments, write_json
from flowir.cli.main import cli
from flowir.runtime.openai import OpenAIModels

WORKFLOW = """
flow.agent @x prompt "Say: {task}" space <models = ["m1", "m2"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
"""
MODELS = 2
SLOTS = 8
LONGEST_RUN_S = 1.5
Row = tuple[object, ...]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=30)
    asked = parser.parse_args()
    figures = Figures(simulated=True)
    with server() as url:
        figures.heading("Throughput, both cores shared with the endpoint")
        throughput(figures, url, 500 if asked.quick else 2000)
        figures.heading("Kills at random moments")
        kills(figures, url, 10 if asked.quick else asked.kills, asked.seed)
    if asked.json:
        write_json(figures.found, asked.json)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of an endpoint in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.profiling_server"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


def write(folder: Path, queries: int) -> None:
    (folder / "w.mlir").write_text(WORKFLOW)
    name = folder.name
    rows = ({"id": str(n), "task": f"{name} {n}", "expected": str(n)} for n in range(queries))
    (folder / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def start(folder: Path, url: str, slots: int) -> int:
    """The command in a fork of this process, where everything is imported; its process number."""
    number = os.fork()
    if number:
        return number
    files = [str(folder / "w.mlir"), "--data", str(folder / "dev.jsonl")]
    options = ["--store", str(folder / "p.sqlite"), "--concurrency", str(slots)]
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        cli(["profile", *files, *options, "--endpoint", f"{url}/v1"])
    except SystemExit as end:
        os._exit(int(end.code or 0))
    finally:
        os._exit(70)


def stored(folder: Path) -> dict[str, Row]:
    """What is in the store, by key: everything but the judgement, which may come later."""
    path = folder / "p.sqlite"
    if not path.exists():
        return {}
    with contextlib.closing(sqlite3.connect(path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'call'").fetchone():
            return {}
        columns = "key, model, query_id, output, latency_s, input_tokens, ended_at"
        return {row[0]: row for row in database.execute(f"SELECT {columns} FROM call")}


def throughput(figures: Figures, url: str, queries: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, queries)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _, status = os.waitpid(start(folder, url, 16), 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = stored(folder)
        if status or len(rows) != MODELS * queries:
            raise SystemExit(f"the profiler ended with {status}, {len(rows)} calls stored")
        ends = sorted(float(str(row[-1])) for row in rows.values())
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        figures.add("calls", len(rows))
        rate = (len(ends) - 1) / (ends[-1] - ends[0])
        figures.add("calls answered, judged and stored a second", rate, "/s", at_least=250)
        figures.add("processor time of the profiler per call", 1000 * cpu / len(rows), "ms")
        note = "what two idle cores would give"
        bare = alone(url, len(rows))
        figures.add("the same by the OpenAI SDK alone", 1000 * bare / len(rows), "ms")
        figures.add("profiler over the SDK alone", cpu / bare, "×")
        figures.add("calls per second of its processor time", len(rows) / cpu, "/s", note=note)


def alone(url: str, calls: int) -> float:
    """Processor seconds of so many calls by the model client and nothing else, 32 at a time."""
    start = time.process_time()
    asyncio.run(_alone(url, calls))
    return time.process_time() - start


async def _alone(url: str, calls: int) -> None:
    numbers = iter(range(calls))
    async with OpenAIModels(base_url=f"{url}/v1", api_key="none") as llm:

        async def client() -> None:
            for number in numbers:
                messages = [{"role": "user", "content": f"Say: alone {number}"}]
                await llm("x", messages, model="m1")

        await asyncio.gather(*(client() for _ in range(16 * MODELS)))


def kills(figures: Figures, url: str, times: int, seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        queries = 60 * times
        write(folder, queries)
        finished: dict[str, Row] = {}
        lost = repeated = broken = 0
        for _ in range(times):
            seen = count(url)
            number = start(folder, url, SLOTS)
            if chance.random() < 0.8:  # The others may die before they ask anything.
                wait_for_a_request(url, seen)
            time.sleep(chance.random() * LONGEST_RUN_S)
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            try:
                now = stored(folder)
            except sqlite3.Error:
                broken += 1
                continue
            lost += sum(now.get(key) != row for key, row in finished.items())
            done = {(row[1], f"Say: {folder.name} {row[2]}") for row in finished.values()}
            repeated += sum(request in done for request in asked_of(url)[seen:])
            finished = now
        at_kills = len(finished)
        _, status = os.waitpid(start(folder, url, SLOTS), 0)
        rows = stored(folder)
        mine = [one for one in asked_of(url) if one[1].startswith(f"Say: {folder.name} ")]
        under_way = len(mine) - len(set(mine))
        wrong = sum(row[2] != row[3] for row in rows.values())
        missing = MODELS * queries - len(rows)
    figures.add("kills", times, at_least=times)
    figures.add("calls finished by then", at_kills)
    figures.add("finished calls lost or changed", lost, at_most=0)
    figures.add("finished calls asked again", repeated, at_most=0)
    figures.add("stores that could not be read", broken, at_most=0)
    figures.add("calls missing or wrong in the end", missing + wrong + bool(status), at_most=0)
    note = f"at most {times * MODELS * SLOTS}: the slots"
    figures.add("calls under way at a kill, asked again", under_way, note=note)
    most = max(Counter(mine).values(), default=0)
    figures.add("most requests for one call", most)


def wait_for_a_request(url: str, seen: int) -> None:
    """Until the endpoint has had more than `seen` requests, for at most ten seconds."""
    ends = time.monotonic() + 10
    while count(url) <= seen and time.monotonic() < ends:
        time.sleep(0.01)


def count(url: str) -> int:
    """How many requests the endpoint has had."""
    with urllib.request.urlopen(f"{url}/count") as answer:
        return int(answer.read())


def asked_of(url: str) -> list[tuple[str, str]]:
    """Every request the endpoint has had."""
    with urllib.request.urlopen(f"{url}/asked") as answer:
        return [(model, text) for model, text in json.load(answer)]


if __name__ == "__main__":
    main()
