"""Why a run ends without a result."""

from __future__ import annotations

from collections.abc import Mapping

from flowir.backends.asyncio.library.usage import Usage


class WorkflowError(Exception):
    """Why a run ended without a result, and what it had used: in total, and site by site."""

    def __init__(self, *reasons: object) -> None:
        super().__init__(*reasons)
        self.usage = Usage()
        self.sites: Mapping[str, Usage] = {}


class InputError(WorkflowError, ValueError):
    """Inputs that are not those of the workflow."""


class SelectionError(WorkflowError, ValueError):
    """Limits that no point keeps to, or a point that is not there."""


class CallError(WorkflowError):
    """A model that did not answer; the cause is its last failure."""


class AnswerError(WorkflowError, ValueError):
    """What a model or a tool gave is not what the workflow can go on with."""


class ToolError(WorkflowError):
    """A tool that is not there, or that failed; the cause is its failure."""


class RunTimeoutError(WorkflowError, TimeoutError):
    """A run that took longer than it was given."""
