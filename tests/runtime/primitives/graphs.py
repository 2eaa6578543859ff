"""Graphs to run, as text."""

from __future__ import annotations

RAG = """
flow.agent @answer system "Be short." prompt "Q: {q}\\nFrom:\\n{c}" baseline <"m">
flow.agent @expand prompt "Ways to ask {q}" -> !flow.list<!flow.text> baseline <"m">
prim.graph @rag(%docs: !prim.documents, %q: !flow.text) -> !flow.text {
  %e1 = prim.embedding(%docs) part 1 of 2 engine "embedding" work <items = 3>
    : (!prim.documents) -> !prim.embeddings
  %e2 = prim.embedding(%docs) part 2 of 2 engine "embedding" work <items = 3>
    : (!prim.documents) -> !prim.embeddings
  %i1 = prim.ingestion(%e1) engine "vector store" work <items = 3>
    : (!prim.embeddings) -> !prim.index
  %i2 = prim.ingestion(%e2) engine "vector store" work <items = 3>
    : (!prim.embeddings) -> !prim.index
  %i = prim.aggregate union(%i1, %i2) : (!prim.index, !prim.index) -> !prim.index
  %kx = prim.prefilling @expand["Ways to ask ", %q] config <"m"> at "ways" engine "llm"
    work <input = 5> : (!flow.text) -> !prim.kv
  %q1, %s1 = prim.partial_decoding @expand(%kx) config <"m"> part 1 of 2 at "ways" engine "llm"
    work <output = 5> : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
  %qe1 = prim.embedding(%q1) engine "embedding"
    : (!flow.list<!flow.text>) -> !prim.embeddings
  %q2, %s2 = prim.partial_decoding @expand(%s1) config <"m"> part 2 of 2 at "ways" engine "llm"
    work <output = 5> : (!prim.stream) -> (!flow.list<!flow.text>, !prim.stream)
  %qe2 = prim.embedding(%q2) engine "embedding" work <items = 2>
    : (!flow.list<!flow.text>) -> !prim.embeddings
  %qe = prim.aggregate concat(%qe1, %qe2)
    : (!prim.embeddings, !prim.embeddings) -> !prim.embeddings
  %c = prim.searching(%i, %qe) top 2 engine "vector store" work <items = 3>
    : (!prim.index, !prim.embeddings) -> !prim.chunks
  %r = prim.reranking(%q, %c) top 2 engine "reranker" work <items = 6>
    : (!flow.text, !prim.chunks) -> !prim.chunks
  %early = prim.partial_prefilling @answer[system "Be short.", "Q: ", %q] config <"m">
    at "answer" engine "llm" work <input = 5> : (!flow.text) -> !prim.kv
  %kv = prim.full_prefilling @answer(%early)["\\nFrom:\\n", %r late] config <"m">
    at "answer" engine "llm" work <input = 5, context = 5>
    : (!prim.kv, !prim.chunks) -> !prim.kv
  %a = prim.decoding @answer(%kv) config <"m"> at "answer" engine "llm"
    work <output = 5, context = 10> : (!prim.kv) -> !flow.text
  prim.return %a : !flow.text
}
"""

BRANCH = """
flow.agent @judge prompt "Easy or hard? {q}" -> !flow.label baseline <"m">
flow.agent @plain prompt "Answer {q}" baseline <"m">
flow.tool @look impl "t:look" effect reads
flow.tool @store impl "t:store"
flow.tool @note impl "t:note" effect pure
prim.graph @branch(%q: !flow.text) -> !flow.text {
  %kv = prim.prefilling @judge["Easy or hard? ", %q] config <"m"> at "judge" engine "llm"
    : (!flow.text) -> !prim.kv
  %kind = prim.decoding @judge(%kv) labels ["easy", "hard"] config <"m"> at "judge" engine "llm"
    : (!prim.kv) -> !flow.label
  %easy, %other = prim.condition label(%kind) ["easy" 0.5, else 0.5]
    : (!flow.label) -> (!prim.guard, !prim.guard)
  %ahead = prim.tool @look(%q) engine "tools" waste 0.1 : (!flow.text) -> !flow.text
  %noted = prim.tool @note(%q) : (!flow.text) -> !flow.text
  %kp = prim.prefilling @plain["Answer ", %noted] config <"m"> at "plain" engine "llm" if %easy
    : (!flow.text) -> !prim.kv
  %p = prim.decoding @plain(%kp) config <"m"> at "plain" engine "llm" if %easy
    : (!prim.kv) -> !flow.text
  %joined = prim.aggregate text(%ahead, %q) if %other : (!flow.text, !flow.text) -> !flow.text
  %a = prim.aggregate choose(%p, %joined, %easy, %other)
    : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
  %stored = prim.tool @store(%q) engine "tools" : (!flow.text) -> !flow.text
  prim.return %a : !flow.text
}
"""

MAP = """
flow.agent @parts prompt "Parts of {q}" -> !flow.list<!flow.text> parser "json" baseline <"m">
flow.agent @short prompt "Shorter: {p}" baseline <"m">
prim.graph @map(%q: !flow.text) -> !flow.text {
  %kv = prim.prefilling @parts["Parts of ", %q] config <"m"> at "parts" engine "llm"
    : (!flow.text) -> !prim.kv
  %all = prim.decoding @parts(%kv) config <"m"> at "parts" engine "llm"
    : (!prim.kv) -> !flow.list<!flow.text>
  %p0 = prim.item(%all) 0 : (!flow.list<!flow.text>) -> !flow.text
  %p1 = prim.item(%all) 1 : (!flow.list<!flow.text>) -> !flow.text
  %k0 = prim.prefilling @short["Shorter: ", %p0] config <"m"> at "s0" engine "llm"
    : (!flow.text) -> !prim.kv
  %s0 = prim.decoding @short(%k0) config <"m"> at "s0" engine "llm" : (!prim.kv) -> !flow.text
  %k1 = prim.prefilling @short["Shorter: ", %p1] config <"m"> at "s1" engine "llm" spare
    : (!flow.text) -> !prim.kv
  %s1 = prim.decoding @short(%k1) config <"m"> at "s1" engine "llm" spare
    : (!prim.kv) -> !flow.text
  %there = prim.aggregate gather(%s0, %s1)
    : (!flow.text, !flow.text) -> !flow.list<!flow.text>
  %r = prim.reranking(%q, %there) top 9 engine "reranker" work <items = 2>
    : (!flow.text, !flow.list<!flow.text>) -> !prim.chunks
  %kl = prim.prefilling @short["Shorter: ", %r] config <"m"> at "last" engine "llm"
    : (!prim.chunks) -> !prim.kv
  %a = prim.decoding @short(%kl) config <"m"> at "last" engine "llm" : (!prim.kv) -> !flow.text
  prim.return %a : !flow.text
}
"""

INPUTS = {
    "rag": {"docs": ["moon", "tides", "sea", "stars", "moon and sea"], "q": "tides?"},
    "branch": {"q": "why?"},
    "map": {"q": "the whole"},
}
