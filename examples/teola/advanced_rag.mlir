// Advanced RAG: three queries, sixteen chunks for each, the best three of all, and an answer that is
// refined with one after the other. Chunks stand before the answer so far: they are known earlier.

flow.agent @expand prompt "Write three search queries, one a line.\n\nQuestion: {question}"
  -> !flow.list<!flow.text> attributes {prim.answer = #prim.size<items = 3, tokens = 36>}
flow.agent @answer prompt "Answer from the passage alone.\n\nQuestion: {question}\nPassage: {passage}"
  attributes {prim.answer = #prim.size<tokens = 50>}
flow.agent @refine prompt "Improve the answer with the passage.\n\nQuestion: {question}\nPassage: {passage}\nAnswer: {answer}"
  attributes {prim.answer = #prim.size<tokens = 50>}
flow.tool @embed impl "flowir.examples.teola.tools:embed" -> !flow.json effect pure as embedding
flow.tool @ingest impl "flowir.examples.teola.tools:ingest" -> !flow.json effect writes as ingestion
flow.tool @nearest impl "flowir.examples.teola.tools:nearest_16" -> !flow.list<!flow.text>
  effect reads as searching top 16
flow.tool @best impl "flowir.examples.teola.tools:best_3" -> !flow.list<!flow.text>
  effect pure as reranking top 3
flow.tool @first impl "flowir.examples.teola.tools:first" effect pure as item 0
flow.tool @second impl "flowir.examples.teola.tools:second" effect pure as item 1
flow.tool @third impl "flowir.examples.teola.tools:third" effect pure as item 2

flow.workflow @advanced_rag(%documents: !flow.list<!flow.text>, %question: !flow.text) -> !flow.text
    attributes {prim.inputs = {documents = #prim.size<items = 48, tokens = 12288>,
                               question = #prim.size<tokens = 24>}} {
  %vectors = flow.call @embed(%documents) : (!flow.list<!flow.text>) -> !flow.json
  %index = flow.call @ingest(%vectors) : (!flow.json) -> !flow.json
  %queries = flow.call @expand(%question) : (!flow.text) -> !flow.list<!flow.text>
  %probes = flow.call @embed(%queries) : (!flow.list<!flow.text>) -> !flow.json
  %found = flow.call @nearest(%index, %probes) : (!flow.json, !flow.json) -> !flow.list<!flow.text>
  %best = flow.call @best(%question, %found)
    : (!flow.text, !flow.list<!flow.text>) -> !flow.list<!flow.text>
  %p1 = flow.call @first(%best) : (!flow.list<!flow.text>) -> !flow.text
  %p2 = flow.call @second(%best) : (!flow.list<!flow.text>) -> !flow.text
  %p3 = flow.call @third(%best) : (!flow.list<!flow.text>) -> !flow.text
  %a1 = flow.call @answer(%question, %p1) : (!flow.text, !flow.text) -> !flow.text
  %a2 = flow.call @refine(%question, %p2, %a1) : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %a3 = flow.call @refine(%question, %p3, %a2) : (!flow.text, !flow.text, !flow.text) -> !flow.text
  flow.return %a3 : !flow.text
}
