"""Engines to estimate with where nothing was measured: fitted, or assumed where it says so.

Language models: linear fits to aiconfigurator's silicon data (32B: n = 42, MAPE 3.6 %; 8B: MAPE
1.8 %). The base of a prefill is the local cost of splitting one that Teola's authors report, 76.03
+ 215.89 against 260.36 ms (arXiv 2407.00326). Embedding: their 48 texts in batches of 4 in 1.8 s,
of 16 in 1.35 s. Vector store and reranker: assumed.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine

PREFILL_BASE_S = 0.07603 + 0.21589 - 0.26036

LLM, EMBEDDING, VECTOR_STORE, RERANKER = "llm", "embedding", "vector store", "reranker"

DEFAULT_ENGINES: Mapping[str, Engine] = {
    LLM: LanguageModelEngine(
        LLM,  # 32B parameters, fp8, on one H100
        prefill_base_s=PREFILL_BASE_S,
        prefill_per_token_s=69e-6,
        decode_base_s=13.6e-3,
        decode_per_request_s=0.08e-3,
        decode_per_context_token_s=0.03e-6,
    ),
    "llm-8b": LanguageModelEngine(
        "llm-8b",  # on one H100
        prefill_base_s=PREFILL_BASE_S,
        prefill_per_token_s=19.6e-6,
        decode_base_s=6.4e-3,
        decode_per_context_token_s=0.05e-6,
    ),
    EMBEDDING: BatchEngine(
        EMBEDDING, base_s=0.050, per_item_s=0.025, largest_batch=16, efficient_batch=16
    ),
    VECTOR_STORE: BatchEngine(VECTOR_STORE, base_s=0.010, per_item_s=0.001),
    RERANKER: BatchEngine(
        RERANKER, base_s=0.020, per_item_s=0.004, largest_batch=64, efficient_batch=64
    ),
}
"""By the name that ops give."""
