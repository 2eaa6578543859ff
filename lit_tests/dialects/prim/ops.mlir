// RUN: flowir-opt %s | flowir-opt | filecheck %s
// RUN: flowir-opt %s --print-op-generic | flowir-opt | filecheck %s

flow.agent @expand prompt "Expand {q}" -> !flow.list<!flow.text>
flow.agent @answer prompt "x {q} {c}"
flow.agent @judge prompt "judge {q}" -> !flow.label
flow.tool @fetch impl "web:fetch" effect reads latency 0.5
flow.tool @nearest impl "rag:nearest" -> !flow.list<!flow.text> effect reads as searching top 16 engine "vectors"
flow.tool @first impl "rag:first" effect pure as item 0
flow.tool @embed impl "rag:embed" -> !flow.json effect pure as embedding
prim.graph @rag(%docs: !prim.documents, %q: !flow.text) -> !flow.text {
  %e1 = prim.embedding(%docs) part 1 of 2 at "embed" engine "embedding" work <items = 24, input = 6000> : (!prim.documents) -> !prim.embeddings
  %e2 = prim.embedding(%docs) part 2 of 2 at "embed" engine "embedding" work <items = 24, input = 6000.5> after(%e1 : !prim.embeddings) : (!prim.documents) -> !prim.embeddings
  %e = prim.aggregate concat(%e1, %e2) : (!prim.embeddings, !prim.embeddings) -> !prim.embeddings
  %i = prim.ingestion(%e) engine "vector store" work <items = 48> attributes {note = 1 : i64} : (!prim.embeddings) -> !prim.index
  %kv = prim.prefilling @expand[system "Be \"brief\"\n", "Expand " tokens 2, %q tokens 12] config <"gpt-4o", temperature = 0.5> at "queries" engine "llm" work <input = 14> : (!flow.text) -> !prim.kv
  %q1, %s1 = prim.partial_decoding @expand(%kv) part 1 of 2 engine "llm" work <output = 10, context = 14> : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
  %q2, %s2 = prim.partial_decoding @expand(%s1) part 2 of 2 engine "llm" : (!prim.stream) -> (!flow.list<!flow.text>, !prim.stream)
  %p = prim.embedding(%q1) engine "embedding" : (!flow.list<!flow.text>) -> !prim.embeddings
  %c = prim.searching(%i, %p) top 16 engine "vector store" : (!prim.index, !prim.embeddings) -> !prim.chunks
  %r = prim.reranking(%q, %c) top 3 engine "reranker" : (!flow.text, !prim.chunks) -> !prim.chunks
  %jk = prim.prefilling @judge["judge ", %q] engine "llm" : (!flow.text) -> !prim.kv
  %j = prim.decoding @judge(%jk) labels ["yes", "no"] config <"gpt-4o"> engine "llm" : (!prim.kv) -> !flow.label
  %yes, %no = prim.condition label(%j) ["yes" 0.3, else 0.7] : (!flow.label) -> (!prim.guard, !prim.guard)
  %page = prim.tool @fetch(%q) engine "@fetch" waste 0.35 : (!flow.text) -> !flow.text
  %one = prim.item(%r) 0 if %no : (!prim.chunks) -> !flow.text
  %two = prim.item(%r) 1 last if %no spare : (!prim.chunks) -> !flow.text
  %m = prim.aggregate choose(%page, %one, %yes, %no) : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
  %ak = prim.partial_prefilling @answer["x ", %q tokens 12] engine "llm" : (!flow.text) -> !prim.kv
  %af = prim.full_prefilling @answer(%ak)[" ", %m tokens 100 late] engine "llm" : (!prim.kv, !flow.text) -> !prim.kv
  %a = prim.decoding @answer(%af) raw engine "llm" work <output = 30, context = 114> : (!prim.kv) -> !flow.text
  %accepted, %rejected = prim.condition verdict(%a) ["accept", "reject"] : (!flow.text) -> (!prim.guard, !prim.guard)
  %there, %missing = prim.condition present(%two) ["there", "missing"] : (!flow.text) -> (!prim.guard, !prim.guard)
  prim.return %a : !flow.text
}

// CHECK:      flow.tool @fetch impl "web:fetch" effect reads latency 0.5
// CHECK-NEXT: flow.tool @nearest impl "rag:nearest" -> !flow.list<!flow.text> effect reads as searching top 16 engine "vectors"
// CHECK-NEXT: flow.tool @first impl "rag:first" effect pure as item 0
// CHECK-NEXT: flow.tool @embed impl "rag:embed" -> !flow.json effect pure as embedding
// CHECK-NEXT: prim.graph @rag(%docs: !prim.documents, %q: !flow.text) -> !flow.text {
// CHECK-NEXT:   %e1 = prim.embedding(%docs) part 1 of 2 at "embed" engine "embedding" work <items = 24, input = 6000> : (!prim.documents) -> !prim.embeddings
// CHECK-NEXT:   %e2 = prim.embedding(%docs) part 2 of 2 at "embed" engine "embedding" work <items = 24, input = 6000.5> after(%e1 : !prim.embeddings) : (!prim.documents) -> !prim.embeddings
// CHECK-NEXT:   %e = prim.aggregate concat(%e1, %e2) : (!prim.embeddings, !prim.embeddings) -> !prim.embeddings
// CHECK-NEXT:   %i = prim.ingestion(%e) engine "vector store" work <items = 48> attributes {note = 1 : i64} : (!prim.embeddings) -> !prim.index
// CHECK-NEXT:   %kv = prim.prefilling @expand[system "Be \"brief\"\n", "Expand " tokens 2, %q tokens 12] config <"gpt-4o", temperature = 0.5> at "queries" engine "llm" work <input = 14> : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %q1, %s1 = prim.partial_decoding @expand(%kv) part 1 of 2 engine "llm" work <output = 10, context = 14> : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
// CHECK-NEXT:   %q2, %s2 = prim.partial_decoding @expand(%s1) part 2 of 2 engine "llm" : (!prim.stream) -> (!flow.list<!flow.text>, !prim.stream)
// CHECK-NEXT:   %p = prim.embedding(%q1) engine "embedding" : (!flow.list<!flow.text>) -> !prim.embeddings
// CHECK-NEXT:   %c = prim.searching(%i, %p) top 16 engine "vector store" : (!prim.index, !prim.embeddings) -> !prim.chunks
// CHECK-NEXT:   %r = prim.reranking(%q, %c) top 3 engine "reranker" : (!flow.text, !prim.chunks) -> !prim.chunks
// CHECK-NEXT:   %jk = prim.prefilling @judge["judge ", %q] engine "llm" : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %j = prim.decoding @judge(%jk) labels ["yes", "no"] config <"gpt-4o"> engine "llm" : (!prim.kv) -> !flow.label
// CHECK-NEXT:   %yes, %no = prim.condition label(%j) ["yes" 0.3, else 0.7] : (!flow.label) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   %page = prim.tool @fetch(%q) engine "@fetch" waste 0.35 : (!flow.text) -> !flow.text
// CHECK-NEXT:   %one = prim.item(%r) 0 if %no : (!prim.chunks) -> !flow.text
// CHECK-NEXT:   %two = prim.item(%r) 1 last if %no spare : (!prim.chunks) -> !flow.text
// CHECK-NEXT:   %m = prim.aggregate choose(%page, %one, %yes, %no) : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
// CHECK-NEXT:   %ak = prim.partial_prefilling @answer["x ", %q tokens 12] engine "llm" : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %af = prim.full_prefilling @answer(%ak)[" ", %m tokens 100 late] engine "llm" : (!prim.kv, !flow.text) -> !prim.kv
// CHECK-NEXT:   %a = prim.decoding @answer(%af) raw engine "llm" work <output = 30, context = 114> : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %accepted, %rejected = prim.condition verdict(%a) ["accept", "reject"] : (!flow.text) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   %there, %missing = prim.condition present(%two) ["there", "missing"] : (!flow.text) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   prim.return %a : !flow.text
// CHECK-NEXT: }
