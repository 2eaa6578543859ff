"""A worker of a cluster: a service in a process of its own, and how its failures travel."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from flowir import errors
from flowir.executors import executor
from flowir.executors.executor import Done, Job, JobError, Recipe, Service
from flowir.runtime.llm import CallError
from flowir.runtime.secrets import keys, without


@dataclass(frozen=True)
class Failure:
    """An error, as it travels: the keys that the worker knows are taken out of the message.

    Attributes:
        kind: the name of its type.
        transient, retry_after_s, status: of a `CallError`.
    """

    kind: str
    message: str
    transient: bool = False
    retry_after_s: float | None = None
    status: int | None = None

    @staticmethod
    def of(error: Exception) -> Failure:
        """What travels of an error."""
        message = without(str(error), keys())
        if isinstance(error, CallError):
            return Failure("CallError", message, error.transient, error.retry_after_s, error.status)
        return Failure(type(error).__name__, message)

    def error(self) -> Exception:
        """The error again: of the same type where it is flowir's own."""
        if self.kind == "CallError":
            return CallError(
                self.message,
                transient=self.transient,
                retry_after_s=self.retry_after_s,
                status=self.status,
            )
        for module in (errors, executor):
            kind = getattr(module, self.kind, None)
            if isinstance(kind, type) and issubclass(kind, errors.FlowirError):
                return kind(self.message)
        return JobError(f"{self.kind}: {self.message}")


class Worker:
    """Holds a service; its methods raise nothing, a result comes with a failure or None."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._service: Service[Any, Any] | None = None

    async def begin(self, recipe: Recipe[Job, Done]) -> Failure | None:
        """Make the service."""
        try:
            self._service = await self._stack.enter_async_context(recipe())
        except Exception as error:
            return Failure.of(error)
        return None

    async def do(self, job: Any) -> tuple[Any, Failure | None]:
        """Do a job."""
        assert self._service is not None
        try:
            return await self._service(job), None
        except Exception as error:
            return None, Failure.of(error)
