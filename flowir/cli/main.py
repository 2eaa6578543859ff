"""`flowir`: the compiler for people. Each command is a thin layer over the library.

Exit codes: 0, well; 1, a mistake or a failure, told in one message on standard error; 2, a command
line that means nothing; 3, `flowir diff` found a difference; 130, interrupted (but 0 of `flowir
serve`, which ends no other way).
"""

from __future__ import annotations

from asyncio import CancelledError
from importlib import import_module
from typing import Any

import click
from click.exceptions import Exit

from flowir._version import __version__
from flowir.cli.codes import INTERRUPTED
from flowir.errors import FlowirError, nearest
from flowir.source.diagnostics import plain_warnings

COMMANDS = {
    "demo": "Compile an example, show its front, run it on a simulated provider.",
    "check": "Read a workflow and explain what is wrong with it.",
    "import": "Import a workflow that was written for something else.",
    "plan": "Say what profile, compile or evaluate would take, before it runs.",
    "profile": "Measure single calls of a workflow's sub-agents on a live endpoint.",
    "latency": "Measure time to first token and per output token against concurrency.",
    "fit": "Fit the cost model to observations and print what was learned.",
    "compile": "Find the Pareto front of a workflow; write it into IR and Python.",
    "select": "Choose a point of a front, and compile the workflow to it.",
    "explain": "Where a point's time goes, what each setting buys, what is not known.",
    "report": "Write a front as one HTML page to look at and choose from.",
    "emit": "Write a workflow as Python, or as a drawing.",
    "simulate": "Run points of a front on a simulated provider; predicted beside simulated.",
    "run": "Run a workflow once, on a live endpoint.",
    "diff": "What changed between two workflows, and between their fronts.",
    "serve": "Serve a compiled workflow as one model of an OpenAI-compatible server.",
    "timeline": "Draw a run of primitives: engines, batches, the critical path.",
    "evaluate": "Run points of a front on held-out data; predicted beside measured.",
    "doctor": "Look at versions, extras, keys and endpoints, and say the mend.",
}
"""Each in `flowir.cli.commands`, in the order in which one needs them, with what `--help` says."""


class Commands(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = "import_" if cmd_name == "import" else cmd_name
        found = getattr(import_module(f"flowir.cli.commands.{name}"), name)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]}{nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with plain_warnings():
                return super().invoke(ctx)
        except FlowirError as error:
            raise click.ClickException(str(error)) from None
        except (KeyboardInterrupt, CancelledError):
            # By hand: click would take it for a mistake, exit code 1. A second Ctrl-C where the
            # first lets calls finish comes as a cancellation.
            click.echo("\ninterrupted", err=True)
            raise Exit(INTERRUPTED) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flowir")
def cli() -> None:
    """An optimizing compiler for LLM workflows.

    `flowir-opt` runs single passes on the IR; see `flowir-opt --help`.
    """


def main() -> None:
    """The entry point."""
    cli()


if __name__ == "__main__":
    main()
