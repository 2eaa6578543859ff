"""Engines to plan and simulate with where none was measured; where each number comes from.

Decode and prefill of the language models are fitted to measurements with TensorRT-LLM on one H100
(ai-dynamo/aiconfigurator, `silicon_sample.csv`, Apache-2.0) by `benchmarks/fit_engines.py`: 42
loads each, mean absolute relative error 2.9 % (32B) and 1.5 % (8B). What a prefill call costs
beyond its tokens cannot be told from those; it is the published overhead of a split prefill,
76.03 + 215.89 − 260.36 ms (Teola, arXiv 2407.00326). Room for the KV cache is arithmetic: 90 % of
80 GB less the weights, at 2 bytes a number.

The embedding line reproduces the published 48 texts in 1.8 s by fours and 1.35 s by sixteens (same
paper). The reranker is taken to cost the same per pair, being an encoder of the same size; vector
store and web search are assumptions, the latter the mean search of LLMCompiler's Movie benchmark
(arXiv 2312.04511). So are 64 requests at a time on a language model, well inside what was measured
(8 to 128).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine

SPLIT_OVERHEAD_S = 0.07603 + 0.21589 - 0.26036

LARGE = LanguageModelEngine(
    "large",  # Qwen3-32B, fp8
    prefill_base_s=SPLIT_OVERHEAD_S,
    prefill_per_token_s=7.222e-5,
    decode_base_s=0.01408,
    decode_per_request_s=6.605e-5,
    decode_per_context_token_s=2.855e-8,
    slots=64,
    kv_tokens=149_000,  # 39 GB of 64 layers x 8 heads x 128 x 2
)
SMALL = LanguageModelEngine(
    "small",  # Llama-3.1-8B-Instruct
    prefill_base_s=SPLIT_OVERHEAD_S,
    prefill_per_token_s=2.024e-5,
    decode_base_s=0.006551,
    decode_per_context_token_s=4.834e-8,
    slots=64,
    kv_tokens=427_000,  # 56 GB of 32 layers x 8 heads x 128 x 2
)
EMBEDDING = BatchEngine("embedding", base_s=0.05, per_item_s=0.025, largest_batch=16)
RERANKER = BatchEngine("reranker", base_s=0.05, per_item_s=0.025, largest_batch=16)
VECTOR_STORE = BatchEngine("vector store", base_s=0.01, per_item_s=0.002, largest_batch=16)
WEB = BatchEngine("web", base_s=0.61, largest_batch=1, slots=64)

LLM = "llm"
"""The language model of workflows that name none: the large one."""

DEFAULTS: Mapping[str, Engine] = {
    engine.name: engine for engine in (LARGE, SMALL, EMBEDDING, RERANKER, VECTOR_STORE, WEB)
}

DEFAULT_ENGINES: Mapping[str, Engine] = {**DEFAULTS, LLM: replace(LARGE, name=LLM)}
"""By the name that primitives give."""
