// RUN: flowir-opt %s -p prim-pipeline-decode | filecheck %s

flow.agent @expand prompt "Expand {q}" -> !flow.list<!flow.text>
flow.agent @answer prompt "Answer {q} from {c}"
flow.agent @judge prompt "Judge {q}" -> !flow.label
flow.tool @fetch impl "web:fetch" effect reads latency 0.7
flow.tool @post impl "web:post" latency 0.1

prim.graph @pieces(%i: !prim.index, %q: !flow.text) -> !flow.text {
  %kv = prim.prefilling @expand["Expand ", %q tokens 12] at "qs" engine "llm" work <input = 14> : (!flow.text) -> !prim.kv
  %qs = prim.decoding @expand(%kv) at "qs" engine "llm" work <items = 2, output = 24, context = 14> : (!prim.kv) -> !flow.list<!flow.text>
  %p = prim.embedding(%qs) engine "embedding" work <items = 2, input = 24> : (!flow.list<!flow.text>) -> !prim.embeddings
  %c = prim.searching(%i, %p) top 3 engine "vector store" work <items = 2> : (!prim.index, !prim.embeddings) -> !prim.chunks
  %second = prim.item(%qs) 1 : (!flow.list<!flow.text>) -> !flow.text
  %k2 = prim.prefilling @answer["Answer ", %second, " from ", %c] engine "llm" : (!flow.text, !prim.chunks) -> !prim.kv
  %a = prim.decoding @answer(%k2) engine "llm" : (!prim.kv) -> !flow.text
  prim.return %a : !flow.text
}

// CHECK:      prim.graph @pieces(%i: !prim.index, %q: !flow.text) -> !flow.text {
// CHECK-NEXT:   %kv = prim.prefilling @expand["Expand ", %q tokens 12] at "qs" engine "llm" work <input = 14> : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %qs_part1, %0 = prim.partial_decoding @expand(%kv) part 1 of 2 at "qs" engine "llm" work <output = 12, context = 14> : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
// CHECK-NEXT:   %qs_part2, %1 = prim.partial_decoding @expand(%0) part 2 of 2 at "qs" engine "llm" work <output = 12, context = 26> : (!prim.stream) -> (!flow.list<!flow.text>, !prim.stream)
// CHECK-NEXT:   %p_part1 = prim.embedding(%qs_part1) engine "embedding" work <input = 12> : (!flow.list<!flow.text>) -> !prim.embeddings
// CHECK-NEXT:   %p_part2 = prim.embedding(%qs_part2) engine "embedding" work <input = 12> : (!flow.list<!flow.text>) -> !prim.embeddings
// CHECK-NEXT:   %c_part1 = prim.searching(%i, %p_part1) top 3 engine "vector store" work <items = 1> : (!prim.index, !prim.embeddings) -> !prim.chunks
// CHECK-NEXT:   %c_part2 = prim.searching(%i, %p_part2) top 3 engine "vector store" work <items = 1> : (!prim.index, !prim.embeddings) -> !prim.chunks
// CHECK-NEXT:   %c = prim.aggregate concat(%c_part1, %c_part2) : (!prim.chunks, !prim.chunks) -> !prim.chunks
// CHECK-NEXT:   %second = prim.item(%qs_part2) 0 : (!flow.list<!flow.text>) -> !flow.text
// CHECK-NEXT:   %k2 = prim.prefilling @answer["Answer ", %second, " from ", %c] engine "llm" : (!flow.text, !prim.chunks) -> !prim.kv
// CHECK-NEXT:   %a = prim.decoding @answer(%k2) engine "llm" : (!prim.kv) -> !flow.text
// CHECK-NEXT:   prim.return %a : !flow.text
// CHECK-NEXT: }
