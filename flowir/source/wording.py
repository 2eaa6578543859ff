"""What xDSL's own messages mean to somebody who writes workflows, with the mend."""

from __future__ import annotations

import re

_MEANINGS: tuple[tuple[str, str], ...] = (
    (
        r"Operation (\S+) terminates block in single-block region but is not a terminator",
        r"the region ends in \1; end it in flow.yield, or a workflow in flow.return",
    ),
    (
        r"Region '\S+' at position \d+ expected a single block, but got 0 blocks",
        "a region is empty; give its value with flow.yield",
    ),
    (
        r"operand '(\w+)' at position \d+ does not verify:\n(.+) should be of base attribute (\S+)",
        r"operand `\1` is \2, but !\3 is meant",
    ),
    (
        r"'(\S+)' expects ancestor op '(\S+)'",
        r"\1 stands outside; move it into a \2",
    ),
    (r"Redefinition of symbol \"(.*)\"", r"@\1 is declared twice; rename one"),
    (r"SSA value %(\S+) is already defined", r"%\1 is made twice; rename one"),
    (r"expect symbol name", "expected a symbol such as @coder"),
    (r"'(\S+)' is not registered", r"unknown type or attribute \1"),
    (
        r"operand is used with type (.+), but has been previously used or defined with type (.+)",
        r"the value is \2, but is used as \1; write the type it has",
    ),
)


def plainly(message: str) -> str:
    """The message in the words of the table, or as it is where the table does not know it."""
    for pattern, meaning in _MEANINGS:
        if (found := re.fullmatch(pattern, message.strip())) is not None:
            return found.expand(meaning)
    return message.strip()
