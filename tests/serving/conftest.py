"""What tests of routing share: a world, and where its fits are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serving_worlds import World, front, world, write_profile, write_queries


@dataclass(frozen=True)
class Files:
    """A world on disk.

    Attributes:
        cache: where the fits are.
    """

    world: World
    front: Path
    profile: Path
    informative: Path
    useless: Path
    cache: Path


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """A world of 240 queries; its two fits are made when they are first needed."""
    folder = tmp_path_factory.mktemp("world")
    found = world(240, 7)
    # Processes that share the tests share the fits, too.
    shared = "PYTEST_XDIST_WORKER" in os.environ
    cache = tmp_path_factory.getbasetemp().parent / "fits" if shared else folder / "cache"
    before = os.environ.get("FLOWIR_CACHE_DIR")
    os.environ["FLOWIR_CACHE_DIR"] = str(cache)
    try:
        yield Files(
            found,
            front(folder / "front.mlir"),
            write_profile(folder / "calls.csv", found.observations),
            write_queries(folder / "informative.jsonl", found.ids, found.informative),
            write_queries(folder / "useless.jsonl", found.ids, found.useless),
            cache,
        )
    finally:
        os.environ.pop("FLOWIR_CACHE_DIR")
        if before is not None:
            os.environ["FLOWIR_CACHE_DIR"] = before
