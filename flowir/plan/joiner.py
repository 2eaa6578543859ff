"""What a joiner decides: an answer, or another plan.

joiner := ["Thought:" text] "Action:" ("Finish(" text ")" | "Replan(" text ")")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from flowir.errors import FlowirError
from flowir.plan.arguments import read_value

_ACTION = re.compile(
    r"^[ \t>*`]*(?:Action[ \t]*:[ \t*`]*)?(Finish|Replan)[ \t*`]*(?:\(|:|[.!]?[ \t*`]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_THOUGHTS = re.compile(r"^[ \t*`]*Thought[ \t]*:[ \t*`]*", re.IGNORECASE | re.MULTILINE)


class JoinerError(FlowirError):
    """An answer of a joiner that neither finishes nor asks for another plan."""


@dataclass(frozen=True)
class Decision:
    """What a joiner says.

    Attributes:
        action: give `text` as the answer, or plan again with `text` as what is still missing.
        thought: why.
    """

    action: Literal["finish", "replan"]
    text: str
    thought: str = ""


def read_decision(answer: str) -> Decision:
    """The last action in an answer, with all its brackets and lines.

    Raises:
        JoinerError: there is none.
    """
    found = None
    for action in _ACTION.finditer(answer):
        # What stands in brackets that are still open is text of the action before.
        if found is None or ")" in answer[found.end() : action.start()] or not _opens(found):
            found = action
    if found is None:
        raise JoinerError(
            "the joiner's answer has no line `Action: Finish(…)` or `Action: Replan(…)`: "
            f"{answer.strip()[:120]!r}"
        )
    text = answer[found.end() :].strip()
    if _opens(found):
        end = text.rfind(")")
        text = text[:end] if end >= 0 and not text[end + 1 :].strip("`*. \t\r\n") else text
    text = text.strip()
    if text[:1] in ("'", '"'):
        literal = read_value(text.replace("$", "$$"))
        text = literal if isinstance(literal, str) else text
    before = answer[: found.start()]
    thoughts = _THOUGHTS.split(before)
    thought = thoughts[-1].strip() if len(thoughts) > 1 else before.strip()
    return Decision("finish" if found[1].lower() == "finish" else "replan", text, thought)


def _opens(action: re.Match[str]) -> bool:
    return action[0].endswith("(")
