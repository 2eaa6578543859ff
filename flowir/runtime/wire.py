"""A reasoning budget for an endpoint that no table knows: the field of the request it goes into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowir.configuration import Budget
from flowir.runtime.capabilities import BUDGET, Capability


def budget_field(provider: str, path: str, budgets: Iterable[Budget]) -> Capability:
    """A row for all models of a provider: budgets go into the field `path` of the body.

    Args:
        path: names with dots between them, such as `thinking.budget_tokens`.
        budgets: what will be asked for; labels are taken as they are.
    """
    wire: Any = BUDGET
    for name in reversed(path.split(".")):
        wire = {name: wire}
    labels = tuple(dict.fromkeys(b for b in budgets if isinstance(b, str)))
    body = {"extra_body": wire}
    return Capability(provider, ".*", labels, (0, None), body, body, "given by the user")
