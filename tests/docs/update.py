"""Writes into the pages what their commands print, where it is not as shown.

python -m tests.docs.update
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.docs.console import Ran, difference
from tests.docs.reader import README, TROUBLES, TUTORIAL, page_text, read, reading


def main() -> None:
    done: dict[str, Ran] = {}
    with tempfile.TemporaryDirectory() as folder, reading(Path(folder)) as shell:
        for page in (README, TUTORIAL, TROUBLES):
            _write(ROOT / page, read(shell, page_text(page), done))


def _write(path: Path, ran: list[Ran]) -> None:
    text, end = path.read_text(encoding="utf-8"), 0
    for one in ran:
        command = f"$ {one.command.text}\n"
        start = text.index(command + one.command.shown, end) + len(command)
        end = start + len(one.command.shown)
        if difference(one.command.shown, one.printed):
            lines = [line.rstrip() for line in one.printed.splitlines()]
            printed = "\n".join(lines).strip("\n") + "\n" if any(lines) else ""
            text = text[:start] + printed + text[end:]
            end = start + len(printed)
            print(f"{path.name}: {one.command.text.splitlines()[0]} (exit code {one.code})")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
