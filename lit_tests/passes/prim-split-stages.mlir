// RUN: flowir-opt %s -p prim-split-stages | filecheck %s

// What exceeds the efficient batch of 16 is split; what follows takes the parts as they come. A search
// of few queries stays whole.

prim.graph @stages(%docs: !prim.documents, %q: !flow.text) -> !prim.chunks {
  %e = prim.embedding(%docs) engine "embedding" work <items = 40, input = 10000> : (!prim.documents) -> !prim.embeddings
  %i = prim.ingestion(%e) engine "vector store" work <items = 40, input = 10000> : (!prim.embeddings) -> !prim.index
  %p = prim.embedding(%q) engine "embedding" work <input = 20> : (!flow.text) -> !prim.embeddings
  %c = prim.searching(%i, %p) top 3 engine "vector store" : (!prim.index, !prim.embeddings) -> !prim.chunks
  prim.return %c : !prim.chunks
}

// CHECK:      prim.graph @stages(%docs: !prim.documents, %q: !flow.text) -> !prim.chunks {
// CHECK-NEXT:   %e_part1 = prim.embedding(%docs) part 1 of 3 engine "embedding" work <items = 13, input = 3250> : (!prim.documents) -> !prim.embeddings
// CHECK-NEXT:   %e_part2 = prim.embedding(%docs) part 2 of 3 engine "embedding" work <items = 13, input = 3250> : (!prim.documents) -> !prim.embeddings
// CHECK-NEXT:   %e_part3 = prim.embedding(%docs) part 3 of 3 engine "embedding" work <items = 14, input = 3500> : (!prim.documents) -> !prim.embeddings
// CHECK-NEXT:   %i_part1 = prim.ingestion(%e_part1) engine "vector store" work <items = 13, input = 3250> : (!prim.embeddings) -> !prim.index
// CHECK-NEXT:   %i_part2 = prim.ingestion(%e_part2) engine "vector store" work <items = 13, input = 3250> : (!prim.embeddings) -> !prim.index
// CHECK-NEXT:   %i_part3 = prim.ingestion(%e_part3) engine "vector store" work <items = 14, input = 3500> : (!prim.embeddings) -> !prim.index
// CHECK-NEXT:   %i = prim.aggregate union(%i_part1, %i_part2, %i_part3) : (!prim.index, !prim.index, !prim.index) -> !prim.index
// CHECK-NEXT:   %p = prim.embedding(%q) engine "embedding" work <input = 20> : (!flow.text) -> !prim.embeddings
// CHECK-NEXT:   %c = prim.searching(%i, %p) top 3 engine "vector store" : (!prim.index, !prim.embeddings) -> !prim.chunks
// CHECK-NEXT:   prim.return %c : !prim.chunks
// CHECK-NEXT: }
