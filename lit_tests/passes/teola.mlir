// RUN: flowir-opt %S/../../examples/teola/se_generation.mlir -p teola | filecheck %s --check-prefix=SE-GENERATION
// RUN: flowir-opt %S/../../examples/teola/naive_rag.mlir -p teola | filecheck %s --check-prefix=NAIVE-RAG
// RUN: flowir-opt %S/../../examples/teola/advanced_rag.mlir -p teola | filecheck %s --check-prefix=ADVANCED-RAG
// RUN: flowir-opt %S/../../examples/teola/contextual_retrieval.mlir -p teola | filecheck %s --check-prefix=CONTEXTUAL

// SE-GENERATION:      prim.graph @se_generation(%question: !flow.text) -> !flow.text {
// SE-GENERATION-NEXT:   %kv = prim.prefilling @proxy["Answer from what you know, in two sentences.\n\nQuestion: " tokens 14, %question tokens 24] at "draft" engine "llm" work <input = 38> : (!flow.text) -> !prim.kv
// SE-GENERATION-NEXT:   %draft = prim.decoding @proxy(%kv) at "draft" engine "llm" work <output = 60, context = 38> : (!prim.kv) -> !flow.text
// SE-GENERATION-NEXT:   %early = prim.partial_prefilling @judge["Does this draft need facts from a search? Answer search or enough.\n\nQuestion: " tokens 20, %question tokens 24, "\nDraft: " tokens 2] at "needed" engine "llm" work <input = 46> : (!flow.text) -> !prim.kv
// SE-GENERATION-NEXT:   %kv_1 = prim.full_prefilling @judge(%early)[%draft tokens 60 late] at "needed" engine "llm" work <input = 60, context = 46> : (!prim.kv, !flow.text) -> !prim.kv
// SE-GENERATION-NEXT:   %needed = prim.decoding @judge(%kv_1) labels ["search"] at "needed" engine "llm" work <output = 2, context = 106> : (!prim.kv) -> !flow.label
// SE-GENERATION-NEXT:   %0, %1 = prim.condition label(%needed) ["search" 0.7, else 0.3] : (!flow.label) -> (!prim.guard, !prim.guard)
// SE-GENERATION-NEXT:   %found = prim.tool @search(%question) at "found" engine "@search" work <input = 24> if %0 : (!flow.text) -> !flow.text
// SE-GENERATION-NEXT:   %notes = prim.aggregate choose(%found, %draft, %0, %1) : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
// SE-GENERATION-NEXT:   %early_1 = prim.partial_prefilling @synthesize["Answer the question with the notes, and cite them.\n\nQuestion: " tokens 16, %question tokens 24, "\nNotes: " tokens 2] at "answer" engine "llm" work <input = 42> : (!flow.text) -> !prim.kv
// SE-GENERATION-NEXT:   %kv_2 = prim.full_prefilling @synthesize(%early_1)[%notes tokens 800 late] at "answer" engine "llm" work <input = 800, context = 42> : (!prim.kv, !flow.text) -> !prim.kv
// SE-GENERATION-NEXT:   %answer = prim.decoding @synthesize(%kv_2) at "answer" engine "llm" work <output = 100, context = 842> : (!prim.kv) -> !flow.text
// SE-GENERATION-NEXT:   prim.return %answer : !flow.text
// SE-GENERATION-NEXT: }

// NAIVE-RAG:      prim.graph @naive_rag(%documents: !flow.list<!flow.text>, %question: !flow.text) -> !flow.text {
// NAIVE-RAG-NEXT:   %vectors_part1 = prim.embedding(%documents) part 1 of 3 at "vectors" engine "embedding" work <items = 16, input = 4096> : (!flow.list<!flow.text>) -> !prim.embeddings
// NAIVE-RAG-NEXT:   %vectors_part2 = prim.embedding(%documents) part 2 of 3 at "vectors" engine "embedding" work <items = 16, input = 4096> : (!flow.list<!flow.text>) -> !prim.embeddings
// NAIVE-RAG-NEXT:   %vectors_part3 = prim.embedding(%documents) part 3 of 3 at "vectors" engine "embedding" work <items = 16, input = 4096> : (!flow.list<!flow.text>) -> !prim.embeddings
// NAIVE-RAG-NEXT:   %index_part1 = prim.ingestion(%vectors_part1) at "index" engine "vector store" work <items = 16, input = 4096> : (!prim.embeddings) -> !prim.index
// NAIVE-RAG-NEXT:   %index_part2 = prim.ingestion(%vectors_part2) at "index" engine "vector store" work <items = 16, input = 4096> : (!prim.embeddings) -> !prim.index
// NAIVE-RAG-NEXT:   %index_part3 = prim.ingestion(%vectors_part3) at "index" engine "vector store" work <items = 16, input = 4096> : (!prim.embeddings) -> !prim.index
// NAIVE-RAG-NEXT:   %index = prim.aggregate union(%index_part1, %index_part2, %index_part3) : (!prim.index, !prim.index, !prim.index) -> !prim.index
// NAIVE-RAG-NEXT:   %probe = prim.embedding(%question) at "probe" engine "embedding" work <input = 24> : (!flow.text) -> !prim.embeddings
// NAIVE-RAG-NEXT:   %found = prim.searching(%index, %probe) top 3 at "found" engine "vector store" work <items = 1> : (!prim.index, !prim.embeddings) -> !prim.chunks
// NAIVE-RAG-NEXT:   %item = prim.item(%found) 0 at "answers" : (!prim.chunks) -> !flow.text
// NAIVE-RAG-NEXT:   %early = prim.partial_prefilling @answer["Answer from the passage alone.\n\nQuestion: " tokens 11, %question tokens 24, "\nPassage: " tokens 3] at "one[0]" engine "llm" work <input = 38> : (!flow.text) -> !prim.kv
// NAIVE-RAG-NEXT:   %kv = prim.full_prefilling @answer(%early)[%item tokens 256 late] at "one[0]" engine "llm" work <input = 256, context = 38> : (!prim.kv, !flow.text) -> !prim.kv
// NAIVE-RAG-NEXT:   %one = prim.decoding @answer(%kv) at "one[0]" engine "llm" work <output = 50, context = 294> : (!prim.kv) -> !flow.text
// NAIVE-RAG-NEXT:   %item_1 = prim.item(%found) 1 at "answers" : (!prim.chunks) -> !flow.text
// NAIVE-RAG-NEXT:   %early_1 = prim.partial_prefilling @answer["Answer from the passage alone.\n\nQuestion: " tokens 11, %question tokens 24, "\nPassage: " tokens 3] at "one[1]" engine "llm" work <input = 38> : (!flow.text) -> !prim.kv
// NAIVE-RAG-NEXT:   %kv_1 = prim.full_prefilling @answer(%early_1)[%item_1 tokens 256 late] at "one[1]" engine "llm" work <input = 256, context = 38> : (!prim.kv, !flow.text) -> !prim.kv
// NAIVE-RAG-NEXT:   %one_1 = prim.decoding @answer(%kv_1) at "one[1]" engine "llm" work <output = 50, context = 294> : (!prim.kv) -> !flow.text
// NAIVE-RAG-NEXT:   %item_2 = prim.item(%found) 2 last at "answers" : (!prim.chunks) -> !flow.text
// NAIVE-RAG-NEXT:   %early_2 = prim.partial_prefilling @answer["Answer from the passage alone.\n\nQuestion: " tokens 11, %question tokens 24, "\nPassage: " tokens 3] at "one[2]" engine "llm" work <input = 38> : (!flow.text) -> !prim.kv
// NAIVE-RAG-NEXT:   %kv_2 = prim.full_prefilling @answer(%early_2)[%item_2 tokens 256 late] at "one[2]" engine "llm" work <input = 256, context = 38> : (!prim.kv, !flow.text) -> !prim.kv
// NAIVE-RAG-NEXT:   %one_2 = prim.decoding @answer(%kv_2) at "one[2]" engine "llm" work <output = 50, context = 294> : (!prim.kv) -> !flow.text
// NAIVE-RAG-NEXT:   %answers = prim.aggregate gather(%one, %one_1, %one_2) : (!flow.text, !flow.text, !flow.text) -> !flow.list<!flow.text>
// NAIVE-RAG-NEXT:   %early_3 = prim.partial_prefilling @combine["Make one answer of these.\n\nQuestion: " tokens 10, %question tokens 24, "\nAnswers:\n" tokens 3] at "whole" engine "llm" work <input = 37> : (!flow.text) -> !prim.kv
// NAIVE-RAG-NEXT:   %kv_3 = prim.full_prefilling @combine(%early_3)[%answers tokens 150 late] at "whole" engine "llm" work <input = 150, context = 37> : (!prim.kv, !flow.list<!flow.text>) -> !prim.kv
// NAIVE-RAG-NEXT:   %whole = prim.decoding @combine(%kv_3) at "whole" engine "llm" work <output = 100, context = 187> : (!prim.kv) -> !flow.text
// NAIVE-RAG-NEXT:   prim.return %whole : !flow.text
// NAIVE-RAG-NEXT: }

// ADVANCED-RAG:      prim.graph @advanced_rag(%documents: !flow.list<!flow.text>, %question: !flow.text) -> !flow.text {
// ADVANCED-RAG-NEXT:   %vectors_part1 = prim.embedding(%documents) part 1 of 3 at "vectors" engine "embedding" work <items = 16, input = 4096> : (!flow.list<!flow.text>) -> !prim.embeddings
// ADVANCED-RAG-NEXT:   %vectors_part2 = prim.embedding(%documents) part 2 of 3 at "vectors" engine "embedding" work <items = 16, input = 4096> : (!flow.list<!flow.text>) -> !prim.embeddings
// ADVANCED-RAG-NEXT:   %vectors_part3 = prim.embedding(%documents) part 3 of 3 at "vectors" engine "embedding" work <items = 16, input = 4096> : (!flow.list<!flow.text>) -> !prim.embeddings
// ADVANCED-RAG-NEXT:   %index_part1 = prim.ingestion(%vectors_part1) at "index" engine "vector store" work <items = 16, input = 4096> : (!prim.embeddings) -> !prim.index
// ADVANCED-RAG-NEXT:   %index_part2 = prim.ingestion(%vectors_part2) at "index" engine "vector store" work <items = 16, input = 4096> : (!prim.embeddings) -> !prim.index
// ADVANCED-RAG-NEXT:   %index_part3 = prim.ingestion(%vectors_part3) at "index" engine "vector store" work <items = 16, input = 4096> : (!prim.embeddings) -> !prim.index
// ADVANCED-RAG-NEXT:   %index = prim.aggregate union(%index_part1, %index_part2, %index_part3) : (!prim.index, !prim.index, !prim.index) -> !prim.index
// ADVANCED-RAG-NEXT:   %kv = prim.prefilling @expand["Write three search queries, one a line.\n\nQuestion: " tokens 13, %question tokens 24] at "queries" engine "llm" work <input = 37> : (!flow.text) -> !prim.kv
// ADVANCED-RAG-NEXT:   %queries_part1, %0 = prim.partial_decoding @expand(%kv) part 1 of 3 at "queries" engine "llm" work <output = 12, context = 37> : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
// ADVANCED-RAG-NEXT:   %queries_part2, %1 = prim.partial_decoding @expand(%0) part 2 of 3 at "queries" engine "llm" work <output = 12, context = 49> : (!prim.stream) -> (!flow.list<!flow.text>, !prim.stream)
// ADVANCED-RAG-NEXT:   %queries_part3, %2 = prim.partial_decoding @expand(%1) part 3 of 3 at "queries" engine "llm" work <output = 12, context = 61> : (!prim.stream) -> (!flow.list<!flow.text>, !prim.stream)
// ADVANCED-RAG-NEXT:   %probes_part1 = prim.embedding(%queries_part1) at "probes" engine "embedding" work <input = 12> : (!flow.list<!flow.text>) -> !prim.embeddings
// ADVANCED-RAG-NEXT:   %probes_part2 = prim.embedding(%queries_part2) at "probes" engine "embedding" work <input = 12> : (!flow.list<!flow.text>) -> !prim.embeddings
// ADVANCED-RAG-NEXT:   %probes_part3 = prim.embedding(%queries_part3) at "probes" engine "embedding" work <input = 12> : (!flow.list<!flow.text>) -> !prim.embeddings
// ADVANCED-RAG-NEXT:   %found_part1 = prim.searching(%index, %probes_part1) top 16 at "found" engine "vector store" work <items = 1> : (!prim.index, !prim.embeddings) -> !prim.chunks
// ADVANCED-RAG-NEXT:   %found_part2 = prim.searching(%index, %probes_part2) top 16 at "found" engine "vector store" work <items = 1> : (!prim.index, !prim.embeddings) -> !prim.chunks
// ADVANCED-RAG-NEXT:   %found_part3 = prim.searching(%index, %probes_part3) top 16 at "found" engine "vector store" work <items = 1> : (!prim.index, !prim.embeddings) -> !prim.chunks
// ADVANCED-RAG-NEXT:   %found = prim.aggregate concat(%found_part1, %found_part2, %found_part3) : (!prim.chunks, !prim.chunks, !prim.chunks) -> !prim.chunks
// ADVANCED-RAG-NEXT:   %best = prim.reranking(%question, %found) top 3 at "best" engine "reranker" work <items = 48, input = 12288> : (!flow.text, !prim.chunks) -> !prim.chunks
// ADVANCED-RAG-NEXT:   %p1 = prim.item(%best) 0 at "p1" : (!prim.chunks) -> !flow.text
// ADVANCED-RAG-NEXT:   %p2 = prim.item(%best) 1 at "p2" : (!prim.chunks) -> !flow.text
// ADVANCED-RAG-NEXT:   %p3 = prim.item(%best) 2 at "p3" : (!prim.chunks) -> !flow.text
// ADVANCED-RAG-NEXT:   %early = prim.partial_prefilling @answer["Answer from the passage alone.\n\nQuestion: " tokens 11, %question tokens 24, "\nPassage: " tokens 3] at "a1" engine "llm" work <input = 38> : (!flow.text) -> !prim.kv
// ADVANCED-RAG-NEXT:   %kv_1 = prim.full_prefilling @answer(%early)[%p1 tokens 256 late] at "a1" engine "llm" work <input = 256, context = 38> : (!prim.kv, !flow.text) -> !prim.kv
// ADVANCED-RAG-NEXT:   %a1 = prim.decoding @answer(%kv_1) at "a1" engine "llm" work <output = 50, context = 294> : (!prim.kv) -> !flow.text
// ADVANCED-RAG-NEXT:   %early_1 = prim.partial_prefilling @refine["Improve the answer with the passage.\n\nQuestion: " tokens 12, %question tokens 24, "\nPassage: " tokens 3, %p2 tokens 256 late, "\nAnswer: " tokens 3] at "a2" engine "llm" work <input = 298> : (!flow.text, !flow.text) -> !prim.kv
// ADVANCED-RAG-NEXT:   %kv_2 = prim.full_prefilling @refine(%early_1)[%a1 tokens 50 late] at "a2" engine "llm" work <input = 50, context = 298> : (!prim.kv, !flow.text) -> !prim.kv
// ADVANCED-RAG-NEXT:   %a2 = prim.decoding @refine(%kv_2) at "a2" engine "llm" work <output = 50, context = 348> : (!prim.kv) -> !flow.text
// ADVANCED-RAG-NEXT:   %early_2 = prim.partial_prefilling @refine["Improve the answer with the passage.\n\nQuestion: " tokens 12, %question tokens 24, "\nPassage: " tokens 3, %p3 tokens 256 late, "\nAnswer: " tokens 3] at "a3" engine "llm" work <input = 298> : (!flow.text, !flow.text) -> !prim.kv
// ADVANCED-RAG-NEXT:   %kv_3 = prim.full_prefilling @refine(%early_2)[%a2 tokens 50 late] at "a3" engine "llm" work <input = 50, context = 298> : (!prim.kv, !flow.text) -> !prim.kv
// ADVANCED-RAG-NEXT:   %a3 = prim.decoding @refine(%kv_3) at "a3" engine "llm" work <output = 50, context = 348> : (!prim.kv) -> !flow.text
// ADVANCED-RAG-NEXT:   prim.return %a3 : !flow.text
// ADVANCED-RAG-NEXT: }

// CONTEXTUAL-COUNT-16: prim.decoding @place(%{{.*}}) at "place[{{[0-9]+}}]" engine "llm" work <output = 40, context = 1301> : (!prim.kv) -> !flow.text
// CONTEXTUAL-COUNT-48: prim.decoding @place(%{{.*}}) at "place[{{[0-9]+}}]" engine "llm" work <output = 40, context = 1301> spare
// CONTEXTUAL: %chunks = prim.aggregate gather(
// CONTEXTUAL-NEXT: %vectors = prim.embedding(%chunks) at "vectors" engine "embedding" work <items = 16, input = 4736>
// CONTEXTUAL: prim.searching(%index, %probe) top 32
// CONTEXTUAL-NEXT: prim.reranking(%question, %found) top 3
// CONTEXTUAL-NEXT: prim.partial_prefilling @answer[
// CONTEXTUAL-NEXT: prim.full_prefilling @answer(%{{.*}})[%best tokens 888 late]
