// RUN: flowir-opt %s -p prim-split-prefill | filecheck %s

flow.agent @expand prompt "Expand {q}" -> !flow.list<!flow.text>
flow.agent @answer prompt "Answer {q} from {c}"
flow.agent @judge prompt "Judge {q}" -> !flow.label
flow.tool @fetch impl "web:fetch" effect reads latency 0.7
flow.tool @post impl "web:post" latency 0.1

// The first prompt is known as a whole before anything could be gained; the second waits for a tool.

prim.graph @prompts(%q: !flow.text) -> !flow.text {
  %k1 = prim.prefilling @answer["Answer ", %q tokens 12, " from ", %q tokens 12] engine "llm" work <input = 28> : (!flow.text, !flow.text) -> !prim.kv
  %page = prim.tool @fetch(%q) engine "@fetch" : (!flow.text) -> !flow.text
  %k2 = prim.prefilling @answer["Answer " tokens 2, %q tokens 12, " from " tokens 2, %page tokens 600 late] at "a" engine "llm" work <input = 616> : (!flow.text, !flow.text) -> !prim.kv
  %a = prim.decoding @answer(%k2) at "a" engine "llm" work <output = 30, context = 616> : (!prim.kv) -> !flow.text
  prim.return %a : !flow.text
}

// CHECK:      prim.graph @prompts(%q: !flow.text) -> !flow.text {
// CHECK-NEXT:   %k1 = prim.prefilling @answer["Answer ", %q tokens 12, " from ", %q tokens 12] engine "llm" work <input = 28> : (!flow.text, !flow.text) -> !prim.kv
// CHECK-NEXT:   %page = prim.tool @fetch(%q) engine "@fetch" : (!flow.text) -> !flow.text
// CHECK-NEXT:   %early = prim.partial_prefilling @answer["Answer " tokens 2, %q tokens 12, " from " tokens 2] at "a" engine "llm" work <input = 16> : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %k2 = prim.full_prefilling @answer(%early)[%page tokens 600 late] at "a" engine "llm" work <input = 600, context = 16> : (!prim.kv, !flow.text) -> !prim.kv
// CHECK-NEXT:   %a = prim.decoding @answer(%k2) at "a" engine "llm" work <output = 30, context = 616> : (!prim.kv) -> !flow.text
// CHECK-NEXT:   prim.return %a : !flow.text
// CHECK-NEXT: }
