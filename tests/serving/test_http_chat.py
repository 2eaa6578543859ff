"""Any OpenAI client can use a served workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.serving.chat import REFUSED, RefusedError, read_chat
from flowir.serving.endpoints import Endpoint
from tests.budget import some
from tests.profiler.endpoint import Reply, endpoint, prompt
from tests.serving_http import ONE_CALL, THREE_STAGES, Running, compiled, running

TWO_INPUTS = """
flow.agent @x prompt "{question} {items}" space <models = ["m"]>
flow.workflow @w(%question: !flow.text, %items: !flow.list<!flow.text>) -> !flow.text {
  %a = flow.call @x(%question, %items) : (!flow.text, !flow.list<!flow.text>) -> !flow.text
  flow.return %a : !flow.text
}
"""

LISTED = """
flow.agent @x prompt "{task}" -> !flow.list<!flow.text> space <models = ["m"]>
flow.workflow @w(%task: !flow.text) -> !flow.list<!flow.text> {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.list<!flow.text>
  flow.return %a : !flow.list<!flow.text>
}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    def answer(body: dict[str, Any]) -> Reply:
        return Reply(f"<{body['model']}: {prompt(body)}>", per_token_s=0.01)

    with endpoint(answer) as backend:
        what = compiled(tmp_path_factory.mktemp("served"), THREE_STAGES)
        with running(what, [Endpoint("e", backend.url)]) as found:
            yield found


def client(served: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)


def test_the_openai_client_gets_the_workflow_s_answer_and_what_it_used(served: Running) -> None:
    with client(served) as chat:
        messages: list[Any] = [{"role": "user", "content": "a poem"}]
        answer = chat.chat.completions.create(model="w", messages=messages)
    draft = "<small: Draft: a poem>"
    assert answer.choices[0].message.content == (
        f"<large: Mend: {draft} by <small: Judge: {draft}>>"
    )
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (15, 21)
    assert answer.model == "w"


def test_a_stream_is_passed_on_piece_by_piece(served: Running) -> None:
    with client(served) as chat:
        chunks = list(
            chat.chat.completions.create(
                model="w",
                messages=[{"role": "user", "content": "a poem"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    pieces = [
        c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content
    ]
    assert len(pieces) == 7  # As many as the model wrote: only the last call is streamed.
    whole = served.ask("a poem").json()["choices"][0]["message"]["content"]
    assert "".join(pieces) == whole + "......"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 21


def test_an_error_within_a_stream_reaches_the_client(served: Running) -> None:
    with client(served) as chat:
        stream = chat.chat.completions.create(
            model="w",
            messages=[{"role": "user", "content": "a poem"}],
            stream=True,
            extra_headers={"x-flowir-deadline-s": "0.001"},
        )
        with pytest.raises(openai.APIError, match="deadline"):
            list(stream)


def test_the_workflow_is_the_one_model(served: Running) -> None:
    with client(served) as chat:
        assert [model.id for model in chat.models.list()] == ["w"]
        assert chat.models.retrieve("w").owned_by == "flowir"
        with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
            chat.chat.completions.create(
                model="gpt", messages=[{"role": "user", "content": "hello"}]
            )


def test_what_is_not_used_is_said(served: Running) -> None:
    answer = served.ask("a", temperature=0.2, max_tokens=5, user=None)
    assert answer.headers["x-flowir-ignored"] == "temperature, max_tokens"
    assert answer.json()["flowir"]["calls"] == 3
    assert answer.json()["flowir"]["configurations"] == {
        "drafts": "small", "judges": "small", "mends": "large",
    }  # fmt: skip


def test_other_ways_are_answered_in_the_same_shape(served: Running) -> None:
    for method, path, status in (
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/completions", 404),
        ("GET", "/v1/models/other", 404),
    ):
        answer = served.client.request(method, served.url + path, json={})
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_metrics_count_what_was_done_and_hold_no_text(served: Running) -> None:
    served.ask("a very secret question")
    page = served.metrics()
    assert 'flowir_requests_total{outcome="answered"}' in page
    assert 'flowir_calls_total{endpoint="e",model="large",outcome="answered"}' in page
    assert "secret" not in page
    assert served.client.get(f"{served.url}/ready").json() == {"status": "ready"}


def test_several_inputs_come_as_an_object(tmp_path: Path) -> None:
    with (
        endpoint(lambda body: Reply(prompt(body))) as backend,
        running(compiled(tmp_path, TWO_INPUTS), [Endpoint("e", backend.url)]) as served,
    ):
        inputs = {"question": "Which?", "items": ["one", "two"]}
        answer = served.ask(json.dumps(inputs))
        assert answer.json()["choices"][0]["message"]["content"] == "Which? 1. one\n2. two"
        for wrong in ("Which?", "[]", '{"question": "Which?"}', '{"question": 1, "items": []}'):
            refused = served.ask(wrong)
            assert refused.status_code == 400, wrong
            assert refused.json()["error"]["param"] == "messages"
        assert len(backend.bodies) == 1


def test_a_list_is_answered_as_prompts_show_lists(tmp_path: Path) -> None:
    with (
        endpoint(lambda body: Reply("one\ntwo")) as backend,
        running(compiled(tmp_path, LISTED), [Endpoint("e", backend.url)]) as served,
    ):
        assert served.ask().json()["choices"][0]["message"]["content"] == "1. one\n2. two"


def test_endpoints_are_asked_by_their_own_names_of_models(tmp_path: Path) -> None:
    with endpoint() as backend:
        where = Endpoint("e", backend.url, ("m",), aliases={"m": "org/m-fp8"})
        with running(compiled(tmp_path, ONE_CALL), [where]) as served:
            assert served.ask().status_code == 200
        assert [body["model"] for body in backend.bodies] == ["org/m-fp8"]


def chat(**fields: object) -> bytes:
    body = {"model": "w", "messages": [{"role": "user", "content": "hello"}], **fields}
    return json.dumps({name: value for name, value in body.items() if value != "gone"}).encode()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"\xff\xfe", None),
        (b'{"model": "w", "messages": [{"role": "user", "content": NaN}]}', None),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, None),
        (b"9" * 10000, None),
        (b'{"model": "w", "messages": [{"role": "user", "content": "\\ud800"}]}', None),
        (chat(model="gone"), "model"),
        (chat(model=7), "model"),
        (chat(messages="gone"), "messages"),
        (chat(messages=[]), "messages"),
        (chat(messages=["hello"]), "messages"),
        (chat(messages=[{"role": "assistant", "content": "hello"}]), "messages"),
        (chat(messages=[{"role": "user", "content": None}]), "messages"),
        (chat(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), "messages"),
        (chat(n=2), "n"),
        (chat(stream="yes"), "stream"),
        (chat(stream_options=[1]), "stream_options"),
        (chat(response_format={"type": "json_object"}), "response_format"),
        *((chat(**{name: [1]}), name) for name in REFUSED),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(RefusedError) as refused:
        read_chat(body, "w")
    assert refused.value.status == 400
    assert refused.value.param == param


@settings(max_examples=some(50))
@given(st.text())
def test_text_arrives_as_it_is_in_one_piece_or_in_parts(text: str) -> None:
    parts = [{"type": "text", "text": text[:3]}, {"type": "text", "text": text[3:]}]
    for content in (text, parts):
        read = read_chat(chat(messages=[{"role": "user", "content": content}]), "w")
        assert read.text == text


@settings(max_examples=some(50))
@given(st.dictionaries(st.text(), st.integers()))
def test_names_of_fields_never_break_a_header(fields: dict[str, int]) -> None:
    taken = {"model", "messages", "stream", "stream_options", "n", "response_format", "modalities"}
    own = {name: 1 for name in fields if name not in taken and name not in REFUSED}
    for name in read_chat(chat(**own), "w").ignored:
        assert name.isascii()
        assert name.isprintable()
