"""Local models: the real loading code, on tiny models with random weights made here."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from flowir.errors import RetrievalError
from flowir.runtime.retrieval.sentence_transformers import (
    CrossEncoderReranker,
    SentenceTransformerEmbedder,
)

pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")

TEXTS = ["the moon", "a tide of the sea", "the sea"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bi-encoder and a cross-encoder, saved as any model is."""
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "moon", "a", "tide", "of", "sea"]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    size = {
        "vocab_size": len(words),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 32,
    }
    torch.manual_seed(0)
    BertModel(BertConfig(**size)).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    parts = [Transformer(str(folder / "bert")), Pooling(16)]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "bi"))
    BertForSequenceClassification(BertConfig(**size, num_labels=1)).save_pretrained(folder / "ce")
    tokenizer.save_pretrained(folder / "ce")
    CrossEncoder(str(folder / "ce"), device="cpu").save(str(folder / "cross"))
    return folder


def test_a_bi_encoder_embeds_batches(models: Path) -> None:
    embed = SentenceTransformerEmbedder(str(models / "bi"), device="cpu")
    together = asyncio.run(embed(TEXTS))
    assert together.shape == (3, 16)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    for text, vector in zip(TEXTS, together, strict=True):
        assert asyncio.run(embed([text]))[0] == pytest.approx(vector, abs=1e-5)
    assert asyncio.run(embed([])).shape == (0, 16)


def test_a_cross_encoder_scores_pairs(models: Path) -> None:
    rerank = CrossEncoderReranker(str(models / "cross"), device="cpu")
    together = asyncio.run(rerank([("the moon", TEXTS), ("a tide", []), ("the sea", TEXTS[:1])]))
    assert [len(scores) for scores in together] == [3, 0, 1]
    assert asyncio.run(rerank([("the moon", TEXTS)]))[0] == pytest.approx(together[0], abs=1e-5)
    assert len(set(together[0])) == 3


def test_a_model_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RetrievalError, match="SentenceTransformer can load"):
        SentenceTransformerEmbedder(str(tmp_path))
