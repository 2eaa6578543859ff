"""Pages of reference, made from what is defined: dialects and commands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import click
from dialect_pages import dialect_page

from flowir.cli.main import COMMANDS, cli
from flowir.universe import DIALECTS, FLOWIR_UNIVERSE


@dataclass(frozen=True)
class Page:
    """A page of the site: its place below docs/, its name in the navigation, its Markdown."""

    path: str
    title: str
    text: str


@cache
def pages() -> tuple[Page, ...]:
    """One for each dialect, by name, and one for the commands."""
    dialects = (
        Page(
            f"reference/{name}.md",
            f"The {name} dialect",
            dialect_page(FLOWIR_UNIVERSE.all_dialects[name]()),
        )
        for name in sorted(DIALECTS)
    )
    return (*dialects, Page("reference/commands.md", "Commands", commands_page()))


def commands_page() -> str:
    """What `--help` says of every command, and of the commands inside it."""
    parts = ["# Commands", "What `flowir COMMAND --help` says. Exit codes and completion are in "]
    parts[-1] += "[commands, completion, exit codes](../how-to/command-line.md)."
    root = click.Context(cli, info_name="flowir")
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        parts += _help(command, click.Context(command, parent=root, info_name=name))
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command, context: click.Context) -> list[str]:
    context.terminal_width = context.max_content_width = 96
    parts = [f"## {context.command_path}", f"```text\n{command.get_help(context)}\n```"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            parts += _help(inner, click.Context(inner, parent=context, info_name=name))
    return parts
