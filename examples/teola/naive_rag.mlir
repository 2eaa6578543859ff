// Naive RAG: the three nearest chunks, an answer from each, and one from those (tree synthesis).

flow.agent @answer prompt "Answer from the passage alone.\n\nQuestion: {question}\nPassage: {passage}"
  attributes {prim.answer = #prim.size<tokens = 50>}
flow.agent @combine prompt "Make one answer of these.\n\nQuestion: {question}\nAnswers:\n{answers}"
  attributes {prim.answer = #prim.size<tokens = 100>}
flow.tool @embed impl "flowir.examples.teola.tools:embed" -> !flow.json effect pure as embedding
flow.tool @ingest impl "flowir.examples.teola.tools:ingest" -> !flow.json effect writes as ingestion
flow.tool @nearest impl "flowir.examples.teola.tools:nearest_3" -> !flow.list<!flow.text>
  effect reads as searching top 3

flow.workflow @naive_rag(%documents: !flow.list<!flow.text>, %question: !flow.text) -> !flow.text
    attributes {prim.inputs = {documents = #prim.size<items = 48, tokens = 12288>,
                               question = #prim.size<tokens = 24>}} {
  %vectors = flow.call @embed(%documents) : (!flow.list<!flow.text>) -> !flow.json
  %index = flow.call @ingest(%vectors) : (!flow.json) -> !flow.json
  %probe = flow.call @embed(%question) : (!flow.text) -> !flow.json
  %found = flow.call @nearest(%index, %probe) : (!flow.json, !flow.json) -> !flow.list<!flow.text>
  %answers = flow.map(%passage) in %found : !flow.list<!flow.text> max 3
      -> !flow.list<!flow.text> {
    %one = flow.call @answer(%question, %passage) : (!flow.text, !flow.text) -> !flow.text
    flow.yield %one : !flow.text
  }
  %whole = flow.call @combine(%question, %answers) : (!flow.text, !flow.list<!flow.text>) -> !flow.text
  flow.return %whole : !flow.text
}
