"""Engine profiles fitted to published measurements, and how well they fit.

    python -m benchmarks.fit_engines --data DIR [--json FILE]

`aiconfigurator_silicon`: ai-dynamo/aiconfigurator, silicon_sample.csv (Apache-2.0).
`llm_pilot_serving`: IBM/LLM-performance-prediction (LLM-Pilot, SC'24; CDLA-Permissive-2.0).
The numbers of `flowir/engines/defaults.py` are those printed here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figures, arguments, write_json
from flowir.engines.fitting import Fit, LoadedStep, fit_line, fit_load

SILICON = {
    "32B fp8, H100": ("Qwen/Qwen3-32B", "1.0.0rc3", "fp8"),
    "8B, H100": ("meta-llama/Llama-3.1-8B-Instruct", "", ""),
}
"""Model, version of TensorRT-LLM where more than one was measured, precision; one GPU each."""

MOST_USERS = 32
"""Of LLM-Pilot: beyond, requests wait, and what a token takes is no longer a step of all."""


def silicon(path: Path, model: str, version: str, precision: str) -> list[LoadedStep]:
    """Rows of one model on one H100, repeated ones once."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["model_path"] == model
            and row["system"] == "h100_sxm"
            and row["backend"] == "trtllm"
            and version in ("", row["backend_version"])
            and row["precision"] == precision
            and row["mode"] == "agg"
            and row["tp_size"] == "1"
        ]
    found = {}
    for row in rows:
        concurrency = re.search(r"silicon_concurrency=(\d+)", row["silicon_data_source"])
        if concurrency:
            key = tuple(value for name, value in row.items() if name != "id")
            found[key] = LoadedStep(
                int(concurrency.group(1)),
                float(row["isl"]),
                float(row["osl"]),
                float(row["silicon_tpot_ms"]) / 1000,
            )
    return list(found.values())


def pilot(path: Path, gpu: str) -> tuple[list[float], list[float]]:
    """Users, and the median time between two tokens, of llama-7b on one GPU."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["model"] == "llama-7b" and row["gpu_type"] == gpu and row["n_gpus"] == "1"
        ]
    kept = [row for row in rows if int(row["num_users"]) <= MOST_USERS]
    return [float(r["num_users"]) for r in kept], [float(r["itl_p50"]) / 1000 for r in kept]


def report(figures: Figures, name: str, fit: Fit) -> None:
    """One fit."""
    figures.add(f"{name}: decode step, base", 1e3 * fit.decode_base_s, "ms")
    figures.add(f"{name}: decode step, per request", 1e3 * fit.decode_per_request_s, "ms")
    figures.add(
        f"{name}: decode step, per 1k tokens of context",
        1e6 * fit.decode_per_context_token_s,
        "ms",
    )
    figures.add(f"{name}: prefill, per 1k tokens", 1e6 * fit.prefill_per_token_s, "ms")
    figures.add(f"{name}: mean absolute relative error", 100 * fit.error, "%",
                note=f"{fit.rows} loads")  # fmt: skip


def fits(figures: Figures, data: Path) -> None:
    """All of them."""
    figures.heading("Time per output token under load (aiconfigurator; TensorRT-LLM, one H100)")
    for name, (model, version, precision) in SILICON.items():
        path = data / "aiconfigurator_silicon" / "silicon_sample.csv"
        report(figures, name, fit_load(silicon(path, model, version, precision)))
    figures.heading(f"Median time between tokens of llama-7b, up to {MOST_USERS} users (LLM-Pilot)")
    for gpu in ("A100", "H100", "A10"):
        base, slope, error = fit_line(*pilot(data / "llm_pilot_serving" / "curves.csv", gpu))
        figures.add(f"7B, {gpu}: decode step, base", 1e3 * base, "ms")
        figures.add(f"7B, {gpu}: decode step, per request", 1e3 * slope, "ms")
        figures.add(f"7B, {gpu}: mean absolute relative error", 100 * error, "%")


def main(given: Sequence[str] | None = None) -> None:
    asked = arguments(__doc__, data=True).parse_args(given)
    figures = Figures()
    fits(figures, asked.data)
    if asked.json:
        write_json(figures.found, asked.json)


if __name__ == "__main__":
    main()
