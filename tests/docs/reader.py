"""A reader in a fresh clone, who does what the pages say in the order in which they come."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.docs.console import Command, Ran, Shell, plain_environment, steps
from tests.profiler.endpoint import Reply, endpoint, prompt
from tests.serving_http import free_port

README, TUTORIAL, TROUBLES = "README.md", "docs/tutorial.md", "docs/troubleshooting.md"

FIRST = "make demo"
"""Stands on two pages; a reader does it once."""

SMALL_TO, LARGE_TO = 45, 80
"""The products that the models of the stand-in know."""


def stand_in(body: dict[str, Any]) -> Reply:
    """A model that knows its tables up to some product."""
    left, right = map(int, re.findall(r"\d+", prompt(body))[:2])
    known = SMALL_TO if body["model"] == "small" else LARGE_TO
    product = left * right + (left * right > known)
    delay_s = 0.02 if body["model"] == "small" else 0.2
    return Reply(text=str(product), delay_s=delay_s, read=18, written=3)


@contextmanager
def reading(folder: Path, runs: int = 2000) -> Iterator[Shell]:
    """The shell of a reader whose clone is in a folder; the endpoint of the pages is a stand-in.

    Args:
        runs: how many the demo simulates; 2000 are those of the pages.
    """
    clone = folder / "clone"
    clone.mkdir()
    (clone / "examples").symlink_to(ROOT / "examples")
    (clone / ".venv").symlink_to(sys.prefix)
    env = plain_environment(folder / "cache", Path(sys.executable).parent)
    with endpoint(stand_in) as running:
        # Making .venv takes minutes; a slow test does it.
        port = free_port()
        instead = {
            FIRST: f"flowir demo --runs {runs}",
            "http://localhost:8000/v1": running.url,
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "--port 8080": f"--port {port}",
        }
        shell = Shell(clone, env, instead)
        try:
            yield shell
        finally:
            shell.close()


def read(shell: Shell, page: str, done: dict[str, Ran] | None = None) -> list[Ran]:
    """Do what a page, or a part of one, says.

    Args:
        page: its text.
        done: what a page before has made, and need not be made again; added to.
    """
    done = {} if done is None else done
    ran = []
    for step in steps(page):
        if isinstance(step, Command) and step.text in done:
            before = done[step.text]
            ran.append(Ran(step, before.code, before.printed))
            continue
        result = shell.do(step)
        if result is None:
            continue
        ran.append(result)
        if result.command.text == FIRST:
            done[FIRST] = result
    return ran


def page_text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")
