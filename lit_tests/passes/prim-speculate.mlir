// RUN: flowir-opt %s -p prim-speculate | filecheck %s
// RUN: flowir-opt %s -p 'prim-speculate{most=0.1}' | filecheck %s --check-prefix=FRUGAL

flow.agent @expand prompt "Expand {q}" -> !flow.list<!flow.text>
flow.agent @answer prompt "Answer {q} from {c}"
flow.agent @judge prompt "Judge {q}" -> !flow.label
flow.tool @fetch impl "web:fetch" effect reads latency 0.7
flow.tool @post impl "web:post" latency 0.1

// What reads runs ahead, what writes stays under its guard, and who chooses still does so by it.

prim.graph @ahead(%q: !flow.text) -> !flow.text {
  %kv = prim.prefilling @judge["Judge ", %q tokens 12] engine "llm" work <input = 14> : (!flow.text) -> !prim.kv
  %l = prim.decoding @judge(%kv) labels ["search"] engine "llm" work <output = 2, context = 14> : (!prim.kv) -> !flow.label
  %yes, %no = prim.condition label(%l) ["search" 0.4, else 0.6] : (!flow.label) -> (!prim.guard, !prim.guard)
  %page = prim.tool @fetch(%q) engine "@fetch" if %yes : (!flow.text) -> !flow.text
  %sent = prim.tool @post(%q) engine "@post" if %yes : (!flow.text) -> !flow.text
  %a = prim.aggregate choose(%page, %q, %yes, %no) : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
  prim.return %a : !flow.text
}

// CHECK:      prim.graph @ahead(%q: !flow.text) -> !flow.text {
// CHECK-NEXT:   %kv = prim.prefilling @judge["Judge ", %q tokens 12] engine "llm" work <input = 14> : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %l = prim.decoding @judge(%kv) labels ["search"] engine "llm" work <output = 2, context = 14> : (!prim.kv) -> !flow.label
// CHECK-NEXT:   %yes, %no = prim.condition label(%l) ["search" 0.4, else 0.6] : (!flow.label) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   %page = prim.tool @fetch(%q) engine "@fetch" waste 0.42 : (!flow.text) -> !flow.text
// CHECK-NEXT:   %sent = prim.tool @post(%q) engine "@post" if %yes : (!flow.text) -> !flow.text
// CHECK-NEXT:   %a = prim.aggregate choose(%page, %q, %yes, %no) : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
// CHECK-NEXT:   prim.return %a : !flow.text
// CHECK-NEXT: }

// FRUGAL: prim.tool @fetch(%q) engine "@fetch" if %yes
