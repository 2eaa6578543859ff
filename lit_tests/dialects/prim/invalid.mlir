// RUN: flowir-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: prim.embedding (%x): it embeds texts, not !prim.index; give documents, chunks or a list of texts
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.embedding(%i) engine "e" : (!prim.index) -> !prim.embeddings
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.embedding (%x): no engine runs it; give `engine "name"`
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.embedding(%q) : (!flow.text) -> !prim.embeddings
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.embedding (%x): it gives !prim.embeddings, but the result is typed !prim.index
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.embedding(%q) engine "e" : (!flow.text) -> !prim.index
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.ingestion (%x): it takes the embeddings, !prim.embeddings, not !flow.list<!flow.text>
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.ingestion(%l) engine "e" : (!flow.list<!flow.text>) -> !prim.index
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.searching (%x): it takes an index and embedded queries, and is given 1 inputs
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.searching(%i) top 3 engine "e" : (!prim.index) -> !prim.chunks
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.searching at "s": top 0 gives nothing; write 1 or more
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.searching(%i, %e) top 0 at "s" engine "e" : (!prim.index, !prim.embeddings) -> !prim.chunks
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.searching: expected `top N`, how many it gives
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.searching(%i, %e) engine "e" : (!prim.index, !prim.embeddings) -> !prim.chunks
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.reranking (%x): it cannot be done in parts; remove `part`
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.reranking(%q, %l) top 2 part 1 of 2 engine "e" : (!flow.text, !flow.list<!flow.text>) -> !prim.chunks
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.prefilling @a (%x): a prompt cannot show !prim.kv; show what was decoded from it
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.prefilling @a["x", %k] engine "e" : (!prim.kv) -> !prim.kv
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.prefilling @a (%x): an empty prompt; give at least one piece
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.prefilling @a[] engine "e" : () -> !prim.kv
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.prefilling @b (%x): unknown symbol @b; declared: @a
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.prefilling @b["x"] engine "e" : () -> !prim.kv
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.prefilling @t (%x): flow.tool, not flow.agent, @t; declared: @a
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.prefilling @t["x"] engine "e" : () -> !prim.kv
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.full_prefilling @a (%x): it continues no KV cache; give that of a prim.partial_prefilling first
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.full_prefilling @a(%q)["x"] engine "e" : (!flow.text) -> !prim.kv
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.partial_decoding @a (%x): which part of the answer? Give `part K of N`
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x, %s = prim.partial_decoding @a(%k) engine "e" : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.partial_decoding @a (%x): it takes what the part before left, !prim.stream, not !prim.kv
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x, %s = prim.partial_decoding @a(%k) part 2 of 2 engine "e" : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.partial_decoding @a (%x): only a list can go on in parts, and the answer is !flow.text
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x, %s = prim.partial_decoding @a(%k) part 1 of 2 engine "e" : (!prim.kv) -> (!flow.text, !prim.stream)
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.item (%x): !flow.text has no items; give a list, chunks or documents
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.item(%q) 0 : (!flow.text) -> !flow.text
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.item (%x): it takes no time and no engine; remove `engine`
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.item(%l) 0 engine "e" : (!flow.list<!flow.text>) -> !flow.text
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.condition (%y): the weights sum to 1.1; they must sum to 1
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %y, %n = prim.condition label(%q) ["a" 0.5, else 0.6] : (!flow.text) -> (!prim.guard, !prim.guard)
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.condition (%y): 2 cases, but 1 guards; give one each
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %y = prim.condition label(%q) ["a", else] : (!flow.text) -> !prim.guard
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.condition (%y): the cases of `verdict` are accept and reject, in this order
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %y, %n = prim.condition verdict(%q) ["yes", "no"] : (!flow.text) -> (!prim.guard, !prim.guard)
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.condition: give odds for every case or for none
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %y, %n = prim.condition label(%q) ["a" 0.5, else] : (!flow.text) -> (!prim.guard, !prim.guard)
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.aggregate (%x): `choose` takes values and then as many guards, the first for the first
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.aggregate choose(%q, %q) : (!flow.text, !flow.text) -> !flow.text
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.aggregate (%x): `union` is of indices, not of !prim.embeddings; use `concat` for lists
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.aggregate union(%e, %e) : (!prim.embeddings, !prim.embeddings) -> !prim.embeddings
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.aggregate (%x): values of different types: !prim.embeddings, !flow.list<!flow.text>; make them one type
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.aggregate concat(%e, %l) : (!prim.embeddings, !flow.list<!flow.text>) -> !prim.embeddings
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.part: 3 of 2; parts are numbered from 1
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.embedding(%l) part 3 of 2 engine "e" : (!flow.list<!flow.text>) -> !prim.embeddings
  prim.return %q : !flow.text
}

// -----

// CHECK: prim.tool @t (%x): it uses %z before it is made; order them by use
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = prim.tool @t(%z) : (!flow.text) -> !flow.text
  %z = prim.tool @t(%q) : (!flow.text) -> !flow.text
  prim.return %q : !flow.text
}

// -----

// CHECK: 'flow.call' expects ancestor op 'flow.workflow'
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !flow.text {
  %x = flow.call @t(%q) : (!flow.text) -> !flow.text
  prim.return %q : !flow.text
}

// -----

// CHECK: operand is used with type !prim.index, but has been previously used or defined with type !flow.text
flow.agent @a prompt "{x}" -> !flow.list<!flow.text>
flow.tool @t impl "m:f"
prim.graph @g(%q: !flow.text, %e: !prim.embeddings, %i: !prim.index, %k: !prim.kv, %l: !flow.list<!flow.text>) -> !prim.index {
  %x = prim.tool @t(%q) : (!flow.text) -> !flow.text
  prim.return %q : !prim.index
}

// -----

// CHECK: Expected 'top'
flow.tool @t impl "m:f" as searching

// -----

// CHECK: no primitive 'thinking'; use embedding, ingestion, searching, reranking, item, tool
flow.tool @t impl "m:f" as thinking
