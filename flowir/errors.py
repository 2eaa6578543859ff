"""The errors a user can cause, one type per layer.

Every message says what is wrong, where, and the mend. The command lines print the message and exit
with code 1; nothing else is a user's mistake, so nothing else is caught there.
"""

from collections.abc import Iterable


class FlowirError(Exception):
    """A mistake in what flowir was given; the message is meant for the person who gave it."""


class ProfileError(FlowirError):
    """Observations or prices that cannot be read, or lack what the workflow needs."""


class ProfilerError(FlowirError):
    """Calls that cannot be made or judged: data, an endpoint, or limits that do not serve."""


class CostModelError(FlowirError):
    """Observations that were read but that no cost model can be fitted to."""


class CalculusError(FlowirError):
    """A workflow whose success, latency or money the calculus cannot compose."""


class SearchError(FlowirError):
    """A design space that is empty, contradictory, or too wide for the chosen search."""


class SelectionError(FlowirError):
    """A point or constraint that no point of the front answers to."""


class EmissionError(FlowirError):
    """A workflow that the chosen back end cannot express."""


class RetrievalError(FlowirError):
    """Documents, embeddings or an index that cannot be read, made or used."""


class SimulationError(FlowirError):
    """A program that cannot run on the simulated provider, or does not match what is simulated."""


class PrimError(FlowirError):
    """A workflow that cannot be made of primitives, or primitives that no engine can run."""


class SchedulingError(FlowirError):
    """Primitives that their engines cannot run, or reports of work that was not handed out."""


class ServingError(FlowirError):
    """A workflow, a set of configurations or an endpoint that cannot be served."""


class WorkflowError(FlowirError):
    """A workflow in Python that does not mean what a workflow can mean."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing where no known name is near."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""
