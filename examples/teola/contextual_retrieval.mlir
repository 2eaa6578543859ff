// Contextual retrieval: what is embedded of a chunk begins with how a model places it among its
// neighbours; of the 32 nearest the best three answer in one call.

flow.agent @place prompt "Say in one sentence what the passage marked >>> is about, given its neighbours.\n\n{window}"
  attributes {prim.answer = #prim.size<tokens = 40>}
flow.agent @answer prompt "Answer from the passages alone.\n\nQuestion: {question}\nPassages:\n{passages}"
  attributes {prim.answer = #prim.size<tokens = 100>}
flow.tool @windows impl "flowir.examples.teola.tools:windows" -> !flow.list<!flow.text> effect pure
  attributes {prim.result = #prim.size<items = 16, tokens = 20480>}
flow.tool @prefixed impl "flowir.examples.teola.tools:prefixed" effect pure
  attributes {prim.result = #prim.size<tokens = 296>}
flow.tool @embed impl "flowir.examples.teola.tools:embed" -> !flow.json effect pure as embedding
flow.tool @ingest impl "flowir.examples.teola.tools:ingest" -> !flow.json effect writes as ingestion
flow.tool @nearest impl "flowir.examples.teola.tools:nearest_32" -> !flow.list<!flow.text>
  effect reads as searching top 32
flow.tool @best impl "flowir.examples.teola.tools:best_3" -> !flow.list<!flow.text>
  effect pure as reranking top 3

flow.workflow @contextual_retrieval(%documents: !flow.list<!flow.text>, %question: !flow.text)
    -> !flow.text
    attributes {prim.inputs = {documents = #prim.size<items = 16, tokens = 4096>,
                               question = #prim.size<tokens = 24>}} {
  %windows = flow.call @windows(%documents) : (!flow.list<!flow.text>) -> !flow.list<!flow.text>
  %chunks = flow.map(%window) in %windows : !flow.list<!flow.text> max 64 width 16
      -> !flow.list<!flow.text> {
    %place = flow.call @place(%window) : (!flow.text) -> !flow.text
    %chunk = flow.call @prefixed(%window, %place) : (!flow.text, !flow.text) -> !flow.text
    flow.yield %chunk : !flow.text
  }
  %vectors = flow.call @embed(%chunks) : (!flow.list<!flow.text>) -> !flow.json
  %index = flow.call @ingest(%vectors) : (!flow.json) -> !flow.json
  %probe = flow.call @embed(%question) : (!flow.text) -> !flow.json
  %found = flow.call @nearest(%index, %probe) : (!flow.json, !flow.json) -> !flow.list<!flow.text>
  %best = flow.call @best(%question, %found)
    : (!flow.text, !flow.list<!flow.text>) -> !flow.list<!flow.text>
  %answer = flow.call @answer(%question, %best)
    : (!flow.text, !flow.list<!flow.text>) -> !flow.text
  flow.return %answer : !flow.text
}
