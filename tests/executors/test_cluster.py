"""A real Ray cluster on this machine: a head that does nothing, and two nodes of one worker each.

`make test-all` installs Ray; without it these tests are skipped.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowir.errors import SimulationError
from flowir.executors.cluster import RayCluster
from flowir.executors.executor import ExecutorError, JobError, persistent
from flowir.sim.points import Case
from flowir.sim.sweep import sweep
from tests.evaluation import test_command as evaluation
from tests.executors.jobs import Broken, Calls, failing, holding, process
from tests.profiler.commands import ENVIRONMENT, arguments, rows, write
from tests.profiler.endpoint import Reply, endpoint, prompt
from tests.sim.test_sweep import simulation

pytest.importorskip("ray", reason="Ray is an extra: pip install -c constraints.txt -e '.[ray]'")
pytestmark = pytest.mark.slow
KEY = "sk-the-key-itself-123"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Workers inherit the environment of their node, as they do on other machines.
    os.environ["OPENAI_API_KEY"] = KEY
    head = {"num_cpus": 0, "include_dashboard": False}
    running = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield running
    finally:
        running.shutdown()
        del os.environ["OPENAI_API_KEY"]


@pytest.fixture
def cluster(nodes: Any) -> Any:
    """Two nodes, whatever became of them in other tests."""
    while len(nodes.worker_nodes) < 2:
        nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    return nodes


def on(cluster: Any) -> RayCluster:
    return RayCluster(cluster.address, workers=2)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not true():
            await asyncio.sleep(0.05)


def wait_until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_killed_node_costs_its_jobs_under_way_and_they_are_done_elsewhere(
    cluster: Any, tmp_path: Path
) -> None:
    """Every job is held until both workers have begun some, one node is killed, all are done."""

    async def all_of_them() -> list[int]:
        async with on(cluster).serving(Calls(holding), each=4) as service:
            do = persistent(service)
            jobs = [asyncio.ensure_future(do(str(tmp_path))) for _ in range(12)]
            await until(lambda: len(begun()) == 2)
            workers = [Path("/proc", str(pid)) for pid in begun()]
            victim = sorted(cluster.worker_nodes, key=str)[0]
            await asyncio.to_thread(cluster.remove_node, victim, False)
            # A worker outlives its node by a moment.
            await until(lambda: not all(worker.exists() for worker in workers))
            (tmp_path / "go").touch()
            return await asyncio.gather(*jobs)

    def begun() -> dict[int, int]:
        """How many jobs each process has begun."""
        return {int(p.name.partition("-")[2]): p.stat().st_size for p in tmp_path.glob("begun-*")}

    done_by = asyncio.run(all_of_them())
    assert len(done_by) == 12
    # Only one of the two was left; what the other had begun, four at most, was begun again.
    assert len(set(done_by)) == 1
    lost = sum(begun().values()) - 12
    assert 1 <= lost <= 4


def test_jobs_are_spread_cancelled_and_fail_as_they_would_here(cluster: Any) -> None:
    async def several() -> None:
        async with on(cluster).serving(Calls(process), each=1) as do:
            found = await asyncio.gather(*(do(0.2) for _ in range(20)))
            assert len(set(found)) == 2
            job = asyncio.ensure_future(do(1000.0))
            await asyncio.sleep(0.5)
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            # Its place is free again: with one at a time two jobs need both workers.
            assert len(set(await asyncio.gather(do(0.5), do(0.5)))) == 2
        async with on(cluster).serving(Calls(failing)) as do:
            with pytest.raises(SimulationError, match="no samples"):
                await do("ours")
            with pytest.raises(JobError, match="KeyError"):
                await do("other")
        with pytest.raises(SimulationError, match="nothing to be made"):
            async with on(cluster).serving(Broken()):
                pass

    asyncio.run(several())


def test_no_cluster_is_one_message() -> None:
    async def none() -> None:
        async with RayCluster("127.0.0.1:1").serving(Calls(process)):
            pass

    with pytest.raises(ExecutorError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        asyncio.run(none())


def test_sweeps_give_the_same_bytes_as_in_this_process(cluster: Any) -> None:
    cases = [Case(point, seed, 50) for point in range(2) for seed in range(4)]
    here, there = sweep(simulation(), cases), sweep(simulation(), cases, on(cluster))
    assert [pickle.dumps(one) for one in here] == [pickle.dumps(one) for one in there]
    assert len({pickle.dumps(one) for one in here}) == len(cases)


def started(cluster: Any, command: list[str]) -> subprocess.Popen[str]:
    """The command in a process group of its own, as a terminal has it."""
    where = ["--engine", "ray", "--ray-address", cluster.address]
    code = "from flowir.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *command, *where],
        env={**ENVIRONMENT, "OPENAI_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_a_profile_survives_the_death_of_a_node(cluster: Any, tmp_path: Path) -> None:
    """Of two nodes one is killed mid-run: every call is stored once, and none that had ended is
    asked again."""
    write(tmp_path, 80)
    slots = 4
    with endpoint(lambda body: Reply(prompt(body), delay_s=0.1)) as running:
        options = ("--concurrency", str(slots))
        process = started(cluster, arguments(tmp_path, running.url, *options))
        wait_until(lambda: len(running.bodies) > 30)
        stored = {(str(row["model"]), f"Say: task {row['query_id'][1:]}") for row in rows(tmp_path)}
        asked = len(running.bodies)
        cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], False)
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
        again = {(body["model"], prompt(body)) for body in running.bodies[asked:]}
        assert not again & stored
        assert len(rows(tmp_path)) == 160
        assert all(row["output"] and row["judge"] for row in rows(tmp_path))
        assert max(running.most.values()) <= 2 * slots  # Those of a dead client may linger.
        assert len(running.bodies) <= 160 + 2 * slots
        # The same store goes on in this process, where nothing is left to be done.
        before = len(running.bodies)
        here = started_here(tmp_path, running.url)
        assert here.returncode == 0, here.stdout
        assert len(running.bodies) == before
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY.encode() not in files + said.encode()


def started_here(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    code = "from flowir.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments(folder, url)],
        env={**ENVIRONMENT, "OPENAI_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_an_interrupt_finishes_what_is_under_way(cluster: Any, tmp_path: Path) -> None:
    """The whole process group is told, as by Ctrl-C on a terminal."""
    write(tmp_path, 40)
    with endpoint(lambda body: Reply(delay_s=0.4)) as running:
        process = started(cluster, arguments(tmp_path, running.url))
        wait_until(lambda: len(running.bodies) > 6)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 130, said
        assert len(rows(tmp_path)) == len(running.bodies) < 80
        assert "still to be made" in said


def test_an_evaluation_on_a_cluster_measures_the_same(cluster: Any, tmp_path: Path) -> None:
    evaluation.write(tmp_path)
    with endpoint(evaluation.answer) as running:
        command = evaluation.arguments(tmp_path, running.url, "--json", str(tmp_path / "e.json"))
        process = started(cluster, command)
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
        assert len(running.bodies) == 2 * evaluation.QUERIES
        again = evaluation.invoke(tmp_path, running.url)
        assert again.exit_code == 0
        assert len(running.bodies) == 2 * evaluation.QUERIES
    found = json.loads((tmp_path / "e.json").read_text())
    bad, good = (row["values"] for row in found["rows"])
    assert (bad["accuracy"]["measured"], good["accuracy"]["measured"]) == (0.5, 1.0)
    assert good["latency_s"]["measured"] > 0.05
