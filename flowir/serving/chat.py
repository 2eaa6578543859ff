"""Chat completions over the wire: what a client may send, and how it is answered.

The shapes are those of OpenAI's API reference, chat completions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from xdsl.ir import Attribute

from flowir.dialects import flow

REFUSED = {
    "tools": "tools are the workflow's",
    "tool_choice": "tools are the workflow's",
    "functions": "tools are the workflow's",
    "function_call": "tools are the workflow's",
    "audio": "a workflow answers in text",
    "logprobs": "answers of a workflow have no log probabilities",
    "top_logprobs": "answers of a workflow have no log probabilities",
    "prediction": "nothing is predicted",
    "web_search_options": "tools are the workflow's",
}
"""Fields that would change what is answered, so that leaving them out in silence is no answer."""

READ = {"model", "messages", "stream", "stream_options", "n", "response_format", "modalities"}
"""Fields that are read. Others (temperature, max_tokens, user …) are left out, and said to be."""


class RefusedError(Exception):
    """A request that is answered with an error, in the shape of OpenAI's.

    Attributes:
        status: of HTTP.
        code: for programs.
        retry_after_s: when to come again; None where that is of no use.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """As OpenAI words errors."""
        kind = (
            "invalid_request_error" if self.status < 500 and self.status != 429 else "server_error"
        )
        kind = "rate_limit_error" if self.status == 429 else kind
        told = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": told}


@dataclass(frozen=True)
class ChatRequest:
    """What is asked.

    Attributes:
        text: the last message of the user.
        include_usage: a stream ends with what was used.
        ignored: fields that were sent and are not used, for the response to tell.
    """

    text: str
    stream: bool = False
    include_usage: bool = False
    ignored: tuple[str, ...] = ()


def read_chat(body: bytes, served: str) -> ChatRequest:
    """A request for the model that is served.

    Raises:
        RefusedError: not JSON, not a chat request, another model, or something no workflow does.
    """
    given = _object(body)
    model = given.get("model")
    if not isinstance(model, str):
        _refuse("model", "it must be a text")
    if model != served:
        raise RefusedError(
            404,
            "model_not_found",
            f"there is no model {model[:64]!r} here; the workflow is {served!r}",
            param="model",
        )
    for name, why in REFUSED.items():
        if given.get(name):
            _refuse(name, f"it is not taken: {why}")
    if given.get("n") not in (None, 1):
        _refuse("n", "one answer is given; ask again for more")
    if given.get("modalities") not in (None, ["text"]):
        _refuse("modalities", "a workflow answers in text")
    shape = given.get("response_format")
    if shape is not None and not (isinstance(shape, dict) and shape.get("type") == "text"):
        _refuse("response_format", "the form of the answer is the workflow's")
    stream = given.get("stream")
    if stream not in (None, False, True):
        _refuse("stream", "it must be true or false")
    options = given.get("stream_options") or {}
    if not isinstance(options, dict):
        _refuse("stream_options", "it must be an object")
    text, earlier = _last_message(given.get("messages"))
    ignored = [name for name in given if name not in READ and given[name] is not None]
    ignored = [name for name in ignored if name not in REFUSED]
    shown = [name for name in ignored if name.isascii() and name.isidentifier()][:32]
    if earlier:
        shown.append("messages before the last")
    return ChatRequest(text, bool(stream), bool(options.get("include_usage")), tuple(shown))


def _object(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
        given = json.loads(text, parse_constant=_no_number)
        json.dumps(given, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        _refuse(None, "the body is not UTF-8, or has half a surrogate pair in it")
    except (ValueError, RecursionError):
        _refuse(None, "the body is not JSON")
    if not isinstance(given, dict):
        _refuse(None, "the body is not a JSON object")
    return given


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _last_message(messages: object) -> tuple[str, bool]:
    """The text of the last message, and whether there are others."""
    if not isinstance(messages, list) or not messages:
        _refuse("messages", "it must be a list of one message or more")
    last = messages[-1]
    if not isinstance(last, dict) or last.get("role") != "user":
        _refuse("messages", 'the last message must have the role "user"')
    text = _text(last.get("content"))
    if text is None:
        _refuse("messages", "the content of the last message must be text")
    return text, len(messages) > 1


def _text(content: object) -> str | None:
    """The text of a message: as it is, or in parts; None where something else is among them."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    kinds = [part.get("type") for part in content if isinstance(part, dict)]
    whole = len(texts) == len(content) and all(isinstance(text, str) for text in texts)
    return "".join(map(str, texts)) if whole and set(kinds) == {"text"} else None


def inputs_of(text: str, kinds: Mapping[str, Attribute]) -> dict[str, Any]:
    """The inputs of a workflow from the last message.

    One text is the message as it is. Anything else is a JSON object in the message, by the names of
    the inputs; a workflow without inputs takes any message.

    Raises:
        RefusedError: no such object.
    """
    if not kinds:
        return {}
    if len(kinds) == 1 and isinstance(next(iter(kinds.values())), flow.TextType):
        return {next(iter(kinds)): text}
    names = ", ".join(kinds)
    try:
        given = json.loads(text, parse_constant=_no_number)
        json.dumps(given, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        _refuse("messages", f"the last message must be a JSON object with the inputs {names}")
    if given.keys() != kinds.keys():
        found = ", ".join(repr(str(name)[:32]) for name in list(given)[:8]) or "nothing"
        _refuse("messages", f"the workflow takes {names}, and was given {found}")
    return given


def _refuse(param: str | None, why: str) -> NoReturn:
    message = why if param is None else f"{param}: {why}"
    raise RefusedError(400, "invalid_request", message, param=param)


@dataclass(frozen=True)
class Told:
    """What all parts of one answer have in common."""

    id: str
    model: str
    created: int

    def whole(self, text: str, usage: Mapping[str, int], more: Mapping[str, Any]) -> dict[str, Any]:
        """An answer in one piece."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": dict(usage), "flowir": dict(more)}

    def piece(self, text: str, first: bool) -> dict[str, Any]:
        """A piece of an answer."""
        delta = {"role": "assistant", "content": text} if first else {"content": text}
        return self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])

    def end(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """What says that the answer is complete."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
        return {**self._chunk([choice]), "flowir": dict(more)}

    def usage(self, usage: Mapping[str, int]) -> dict[str, Any]:
        """What was used, where a client asks for it."""
        return {**self._chunk([]), "usage": dict(usage)}

    def _chunk(self, choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": list(choices)}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def event(content: Mapping[str, Any] | str) -> bytes:
    """A server-sent event."""
    text = content if isinstance(content, str) else written(content).decode()
    return f"data: {text}\n\n".encode()


def written(content: Mapping[str, Any]) -> bytes:
    """JSON without spaces; text as it is, except what is no character on its own."""
    return json.dumps(content, separators=(",", ":")).encode()
