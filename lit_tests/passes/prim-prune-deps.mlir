// RUN: flowir-opt %s -p prim-prune-deps | filecheck %s

flow.agent @expand prompt "Expand {q}" -> !flow.list<!flow.text>
flow.agent @answer prompt "Answer {q} from {c}"
flow.agent @judge prompt "Judge {q}" -> !flow.label
flow.tool @fetch impl "web:fetch" effect reads latency 0.7
flow.tool @post impl "web:post" latency 0.1

prim.graph @order(%docs: !prim.documents, %q: !flow.text) -> !flow.list<!flow.text> {
  %e = prim.embedding(%docs) engine "embedding" : (!prim.documents) -> !prim.embeddings
  %i = prim.ingestion(%e) engine "vector store" : (!prim.embeddings) -> !prim.index
  %kv = prim.prefilling @expand["Expand ", %q] engine "llm" after(%i : !prim.index) : (!flow.text) -> !prim.kv
  %qs = prim.decoding @expand(%kv) engine "llm" : (!prim.kv) -> !flow.list<!flow.text>
  prim.return %qs : !flow.list<!flow.text>
}

// CHECK:      prim.graph @order(%docs: !prim.documents, %q: !flow.text) -> !flow.list<!flow.text> {
// CHECK-NEXT:   %e = prim.embedding(%docs) engine "embedding" : (!prim.documents) -> !prim.embeddings
// CHECK-NEXT:   %i = prim.ingestion(%e) engine "vector store" : (!prim.embeddings) -> !prim.index
// CHECK-NEXT:   %kv = prim.prefilling @expand["Expand ", %q] engine "llm" : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %qs = prim.decoding @expand(%kv) engine "llm" : (!prim.kv) -> !flow.list<!flow.text>
// CHECK-NEXT:   prim.return %qs : !flow.list<!flow.text>
// CHECK-NEXT: }
