"""`flowir plan`: what a step will take before it runs."""

from __future__ import annotations

from typing import Any

import click

from flowir.cli.commands.evaluate import evaluate
from flowir.cli.commands.profile import profile


@click.group()
def plan() -> None:
    """Say what a step will take: calls, tokens, dollars, minutes, points. Nobody is asked.

    Example: flowir plan profile w.mlir --data dev.jsonl --prices prices.csv
    """


def _planned(command: click.Command, example: str) -> click.Command:
    """A command that only plans, with the options of the real one."""

    def planning(**options: Any) -> Any:
        assert command.callback is not None
        return command.callback(only_plan=True, **options)

    return click.Command(
        command.name,
        callback=planning,
        params=[parameter for parameter in command.params if parameter.name != "only_plan"],
        help=f"What flowir {command.name} would take.\n\nExample: flowir plan {example}",
        short_help=f"What flowir {command.name} would take.",
    )


plan.add_command(_planned(profile, "profile w.mlir --data dev.jsonl --prices prices.csv"))
plan.add_command(_planned(evaluate, "evaluate front.mlir --data heldout.jsonl --points 0,3"))


@plan.command(name="compile")
@click.argument("workflow", metavar="FILE|MODULE:WORKFLOW")
@click.option("--profile", type=click.Path(), help="Observations of single calls.")
@click.option("--prices", type=click.Path(), help="CSV of model,input_per_mtok,output_per_mtok.")
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--allow", multiple=True, metavar="RULE")
@click.option("--lock", multiple=True, metavar="RULE")
@click.option("--forbid", multiple=True, metavar="RULE")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compile_(workflow: str, **options: Any) -> None:
    """The size of the space, how it would be searched, and what the observations lack.

    Example: flowir plan compile w.mlir --profile calls.csv
    """
    from flowir.cli.plan import run

    run(workflow, **options)
