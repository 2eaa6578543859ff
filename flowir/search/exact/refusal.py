"""What to say where too much would have to be kept apart: where, why, and what to untie."""

from __future__ import annotations

from collections.abc import Iterable

from flowir.calculus.scopes import site_of
from flowir.calculus.terms import Term, Value, Workflow, walk
from flowir.errors import SearchError
from flowir.search.exact.graph import choices_of
from flowir.search.exact.sift import TooWideError


def refusal(workflow: Workflow, term: Term, wide: TooWideError, width: int) -> SearchError:
    """The error for a merge at `term` that would take more than `width`."""
    terms = tuple(walk(workflow.body))
    reasons: list[str] = []
    mends: list[str] = []
    decisions = sorted(key for key in set(wide.keys) if isinstance(key, int))
    for d in decisions:
        sites = [site_of(one) for one in terms if d in choices_of(one)]
        reasons.append(f"{workflow.decisions[d]} is decided once for {_listed(sites)}")
        mends.append(f'give some calls of {workflow.decisions[d]} a group of their own (`as "…"`)')
    for name in sorted(key for key in set(wide.keys) if isinstance(key, str)):
        reasons.append(f'alternatives "{name}" are tied')
        mends.append(f'rename some of the alternatives "{name}"')
    written = {one.output: site_of(one) for one in terms}
    values: Iterable[Value] = dict.fromkeys(axis.value for axis in wide.axes)
    shared = [written.get(value, f"value {value}") for value in values]
    if shared:
        reasons.append(f"{_listed(shared)} is read in several places")
        mends.append(f"let fewer constructs read {_listed(shared)}, or join its readers earlier")
    if not reasons:
        reasons.append("what it reads cannot be merged one by one")
        mends.append("narrow the spaces of what it reads")
    return SearchError(
        f"exact search of {workflow.name}: at {site_of(term)} more than {width} combinations would "
        f"have to be told apart: {'; '.join(reasons)}; {', or '.join(mends)}, or use the local "
        "search"
    )


def _listed(names: list[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
