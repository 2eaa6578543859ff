"""Tools say in Python what they are to engines, as they do in text."""

from __future__ import annotations

import pytest

from flowir.errors import WorkflowError
from flowir.workflow.declarations import tool


def find(query: str) -> str:
    return query


@pytest.mark.parametrize(
    "words",
    ["embedding", "ingestion", "searching top 16", "reranking top 3", "item 0", "tool"],
)
@pytest.mark.parametrize("engine", ["", ' engine "vector store"'])
def test_the_words_are_those_of_the_text(words: str, engine: str) -> None:
    declared = tool(find, effect="reads", primitive=words + engine)
    assert str(declared.op).endswith(f" effect reads as {words}{engine}")


@pytest.mark.parametrize(
    "words", ["thinking", "searching", "embedding 3", "item", "searching top 0", 'tool engine ""']
)
def test_words_that_say_no_primitive_are_an_error(words: str) -> None:
    with pytest.raises(WorkflowError, match="primitive"):
        tool(find, primitive=words)
