"""What clients of an OpenAI-compatible endpoint share: the connection, and failures told apart."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from flowir.runtime.llm import CallError
from flowir.runtime.responses import is_transient, retry_after, words


class OpenAIEndpoint:
    """One endpoint, through the `openai` SDK, whose own retries are off.

    Use it as an async context manager, or call `aclose` when done.

    Args:
        base_url: the endpoint, with its version path; `OPENAI_BASE_URL` or OpenAI's own if None.
        api_key: `OPENAI_API_KEY` if None. An endpoint given by `base_url` may need none.
        timeout_s: seconds until a request is given up; the SDK's default (minutes) if None.

    Raises:
        CallError: the SDK is not installed or no key was given.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise CallError(
                "the openai package is not installed; run: pip install 'flowir[openai]'",
                transient=False,
            ) from error
        key = api_key or os.environ.get("OPENAI_API_KEY") or ("none" if base_url else None)
        if key is None:
            raise CallError(
                "no key for the OpenAI endpoint; set OPENAI_API_KEY or give api_key",
                transient=False,
            )
        limits: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        self._sdk: Any = openai
        self._client: Any = openai.AsyncOpenAI(
            base_url=base_url, api_key=key, max_retries=0, **limits
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    @contextlib.contextmanager
    def _told_apart(self, node: str, model: str) -> Iterator[None]:
        """Failures as a `CallError` that says whether a repeat can help."""
        try:
            yield
        except (CallError, TypeError):
            raise
        except self._sdk.APIError as error:
            raise self._call_error(node, model, error) from error
        except ValueError as error:
            raise CallError(
                f"{node}: {model} sent an answer that is not JSON ({error})", transient=True
            ) from error
        except Exception as error:
            # Some versions of the SDK let the HTTP library's errors out of a broken stream.
            if not type(error).__module__.startswith("http"):
                raise
            raise CallError(
                f"{node}: the connection to {model} broke ({words(error)})", transient=True
            ) from error

    def _call_error(self, node: str, model: str, error: Any) -> CallError:
        status: int | None = getattr(error, "status_code", None)
        message = f"{node}: {model} at {self._client.base_url}: {words(error)}"
        if status is None:  # no connection, a timeout, or an error event inside a stream
            return CallError(message, transient=True)
        return CallError(
            message,
            transient=is_transient(status) and error.code != "insufficient_quota",
            retry_after_s=retry_after(error.response.headers),
            status=status,
        )
