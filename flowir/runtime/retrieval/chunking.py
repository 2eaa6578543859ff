"""Documents in chunks, cut where their meaning allows, through semantic-text-splitter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowir.errors import RetrievalError
from flowir.runtime.retrieval.missing import missing
from flowir.runtime.retrieval.values import Chunk, Document

CHUNK_CHARACTERS = 400
OVERLAP_CHARACTERS = 0


def chunked(
    documents: Sequence[Document],
    characters: int = CHUNK_CHARACTERS,
    overlap: int = OVERLAP_CHARACTERS,
) -> list[Chunk]:
    """The chunks of documents, in order: paragraphs, else sentences, else words that fit.

    Args:
        characters: in a chunk, at most.
        overlap: characters that a chunk may share with the one before.

    Raises:
        RetrievalError: sizes that are none, or semantic-text-splitter is not installed.
    """
    if characters < 1 or not 0 <= overlap < characters:
        raise RetrievalError(
            f"chunks of {characters} characters with {overlap} in common; give at least 1, and "
            "fewer in common than there are"
        )
    try:
        import semantic_text_splitter
    except ImportError:
        raise missing("semantic-text-splitter", "retrieval") from None
    splitter: Any = semantic_text_splitter.TextSplitter(characters, overlap)
    return [
        Chunk(document.name, number, text)
        for document in documents
        for number, text in enumerate(splitter.chunks(document.text))
    ]
