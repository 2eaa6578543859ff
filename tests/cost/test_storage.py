"""Fits are kept by content: found again, never mixed up, never half written."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from flowir.calculus.terms import Block, Call, Decision, Workflow
from flowir.configuration import Configuration
from flowir.cost import CostModel, FitOptions, fit_cached, load, save
from flowir.cost.storage import cache_folder, cache_key
from flowir.errors import CostModelError
from flowir.profile import Observation, observations_of

OPTIONS = FitOptions(points=34, draws=32)
MODEL = Configuration("m", 64, (("temperature", 0.5),))


def rows() -> list[Observation]:
    rng = np.random.default_rng(0)
    found = []
    for q in range(12):
        for s in range(2):
            right = float(rng.random() < 0.5)
            found.append(
                Observation(
                    "solver",
                    MODEL,
                    f"q{q}",
                    str(s),
                    correct=right,
                    latency_s=1 + rng.random(),
                    output_tokens=50,
                    answer="right" if right else rng.choice(["a", "b"]),
                )
            )
    return found


def answer(model: CostModel) -> bytes:
    call = Block((Call("c", 0, (0,), 1),), 1, (0,))
    workflow = Workflow("w", call, (Decision("w", "solver", "", (MODEL,)),))
    calls = model.scenarios(workflow, draws=8, queries=16).calls[0]
    return b"".join(
        part.tobytes() for part in (calls.success, calls.log_latency, calls.wrong_agreement)
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[CostModel, Path]:
    folder = tmp_path_factory.mktemp("cache")
    return fit_cached(observations_of(rows()), options=OPTIONS, folder=folder), folder


def test_a_second_run_reads_the_first_ones_fit(kept: tuple[CostModel, Path]) -> None:
    model, folder = kept
    started: list[str] = []
    again = fit_cached(
        observations_of(rows()[::-1]), options=OPTIONS, folder=folder, progress=started.append
    )
    assert not started
    assert answer(again) == answer(model)
    assert [str(check) for check in again.checks] == [str(check) for check in model.checks]


def test_other_rows_or_options_are_another_fit() -> None:
    observations = observations_of(rows())
    key = cache_key(observations, OPTIONS)
    assert cache_key(observations_of(rows()[1:]), OPTIONS) != key
    assert cache_key(observations, FitOptions(points=34, draws=32, seed=1)) != key


def test_a_damaged_file_is_fitted_again(kept: tuple[CostModel, Path]) -> None:
    model, folder = kept
    (path,) = folder.glob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CostModelError, match="damaged; fit again"):
        load(path)
    again = fit_cached(observations_of(rows()), options=OPTIONS, folder=folder)
    assert answer(again) == answer(model)
    assert answer(load(path)) == answer(model)


def test_a_folder_that_cannot_be_made_only_costs_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = fit_cached(observations_of(rows()), options=OPTIONS, folder=tmp_path / "file" / "x")
    assert model.agents == ("solver",)


def test_readers_never_see_a_part(kept: tuple[CostModel, Path], tmp_path: Path) -> None:
    model, _ = kept
    path = tmp_path / "model.npz"
    save(model, path)
    expected = answer(model)
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(save, model, path) for _ in range(20)]
        reading = [pool.submit(load, path) for _ in range(20)]
        assert all(answer(future.result()) == expected for future in reading)
        assert not any(future.exception() for future in writing)
    assert [child.name for child in tmp_path.iterdir()] == ["model.npz"]


def test_loading_needs_no_torch_and_little_time(kept: tuple[CostModel, Path]) -> None:
    _, folder = kept
    (path,) = folder.glob("*.npz")
    program = (
        "import sys; from flowir.cost import load; load(sys.argv[1]); print('torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "False"
    start = time.perf_counter()
    load(path)
    assert time.perf_counter() - start < 0.2


def test_where_fits_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FLOWIR_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "flowir"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "flowir"
    monkeypatch.setenv("FLOWIR_CACHE_DIR", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
