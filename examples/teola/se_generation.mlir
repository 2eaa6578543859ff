// Search-engine-empowered generation: a small model drafts, a judge says whether to search.

flow.agent @proxy prompt "Answer from what you know, in two sentences.\n\nQuestion: {question}"
  attributes {prim.answer = #prim.size<tokens = 60>}
flow.agent @judge prompt "Does this draft need facts from a search? Answer search or enough.\n\nQuestion: {question}\nDraft: {draft}"
  -> !flow.label attributes {prim.answer = #prim.size<tokens = 2>}
flow.agent @synthesize prompt "Answer the question with the notes, and cite them.\n\nQuestion: {question}\nNotes: {notes}"
  attributes {prim.answer = #prim.size<tokens = 100>}
flow.tool @search impl "flowir.examples.teola.tools:search" effect reads latency 0.8
  attributes {prim.result = #prim.size<tokens = 800>}

flow.workflow @se_generation(%question: !flow.text) -> !flow.text
    attributes {prim.inputs = {question = #prim.size<tokens = 24>}} {
  %draft = flow.call @proxy(%question) : (!flow.text) -> !flow.text
  %needed = flow.call @judge(%question, %draft) : (!flow.text, !flow.text) -> !flow.label
  %notes = flow.branch %needed : !flow.label -> !flow.text
    "search" weight 0.7 {
      %found = flow.call @search(%question) : (!flow.text) -> !flow.text
      flow.yield %found : !flow.text
    }
    else weight 0.3 {
      flow.yield %draft : !flow.text
    }
  %answer = flow.call @synthesize(%question, %notes) : (!flow.text, !flow.text) -> !flow.text
  flow.return %answer : !flow.text
}
