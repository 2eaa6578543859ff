"""`flowir fit`: what single calls say."""

from __future__ import annotations

import click


@click.command()
@click.argument("profile", type=click.Path())
@click.option("--prices", type=click.Path(), help="CSV of model,input_per_mtok,output_per_mtok.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def fit(profile: str, prices: str | None, seed: int, as_json: bool) -> None:
    """Fit the cost model to observations of single calls and print what was learned.

    PROFILE is .csv, .jsonl, .parquet, .sqlite, or .json (a trace). Fits are kept by content in
    $FLOWIR_CACHE_DIR, by default the user's cache folder.

    Example: flowir fit observations.csv --prices prices.csv
    """
    from flowir.cli.fit import run

    run(profile, prices, seed, as_json)
