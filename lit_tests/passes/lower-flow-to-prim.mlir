// RUN: flowir-opt %s -p lower-flow-to-prim | filecheck %s
// RUN: flowir-opt %s -p 'lower-flow-to-prim{modules=false llm=small}' | filecheck %s --check-prefix=FREE

flow.agent @draft system "Be brief." prompt "Draft: {q}" baseline <"small", temperature = 0.5>
flow.agent @critic prompt "Judge {q}: {draft}"
flow.agent @mend prompt "Mend {draft}: {feedback}" attributes {prim.engine = "small", prim.answer = #prim.size<tokens = 40>}
flow.agent @kind prompt "Which kind? {q}" -> !flow.label
flow.agent @split prompt "Parts of {q}" -> !flow.list<!flow.text> attributes {prim.answer = #prim.size<items = 2, tokens = 20>}
flow.agent @pick prompt "Best of\n{all}"
flow.tool @tests impl "a:tests" -> !flow.bool effect pure latency 0.1

flow.workflow @constructs(%q: !flow.text) -> !flow.text attributes {prim.inputs = {q = #prim.size<tokens = 10>}} {
  %kind = flow.call @kind(%q) : (!flow.text) -> !flow.label
  %a = flow.branch %kind : !flow.label -> !flow.text
    "hard" weight 0.25 {
      %d = flow.call @draft(%q) : (!flow.text) -> !flow.text
      %r = flow.refine(%v, %f) from %d : !flow.text max 1 until @critic(%q : !flow.text) {
        %m = flow.call @mend(%v, %f) : (!flow.text, !flow.text) -> !flow.text
        flow.yield %m : !flow.text
      }
      flow.yield %r : !flow.text
    }
    else weight 0.75 {
      %k = flow.fallback until @tests max 2 -> !flow.text {
        %d2 = flow.call @draft(%q) : (!flow.text) -> !flow.text
        flow.yield %d2 : !flow.text
      }
      flow.yield %k : !flow.text
    }
  %parts = flow.call @split(%q) : (!flow.text) -> !flow.list<!flow.text>
  %done = flow.map(%p) in %parts : !flow.list<!flow.text> max 3 width 2 -> !flow.list<!flow.text> {
    %one = flow.call @draft(%p) : (!flow.text) -> !flow.text
    flow.yield %one : !flow.text
  }
  %same = flow.map(%p) in %parts : !flow.list<!flow.text> max 1 -> !flow.list<!flow.text> {
    flow.yield %a : !flow.text
  }
  %best = flow.join select(%a, %q) by @pick : (!flow.text, !flow.text) -> !flow.text
  flow.return %best : !flow.text
}

// CHECK:      prim.graph @constructs(%q: !flow.text) -> !flow.text {
// CHECK-NEXT:   %kv = prim.prefilling @kind["Which kind? " tokens 3, %q tokens 10] at "kind" engine "llm" work <input = 13> : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %kind = prim.decoding @kind(%kv) labels ["hard"] at "kind" engine "llm" work <output = 2, context = 13> : (!prim.kv) -> !flow.label
// CHECK-NEXT:   %0, %1 = prim.condition label(%kind) ["hard" 0.25, else 0.75] : (!flow.label) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   %kv_1 = prim.prefilling @draft[system "Be brief." tokens 3, "Draft: " tokens 2, %q tokens 10] config <"small", temperature = 0.5> at "d" engine "small" work <input = 15> if %0 : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %d = prim.decoding @draft(%kv_1) config <"small", temperature = 0.5> at "d" engine "small" work <output = 32, context = 15> if %0 : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %kv_2 = prim.prefilling @critic["Judge " tokens 2, %q tokens 10, ": " tokens 1, %d tokens 32 late] at "r.check" engine "llm" work <input = 45> if %0 : (!flow.text, !flow.text) -> !prim.kv
// CHECK-NEXT:   %2 = prim.decoding @critic(%kv_2) raw at "r.check" engine "llm" work <output = 32, context = 45> if %0 : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %3, %4 = prim.condition verdict(%2) ["accept" 0.5, "reject" 0.5] if %0 : (!flow.text) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   %5 = prim.aggregate feedback(%2) if %4 : (!flow.text) -> !flow.text
// CHECK-NEXT:   %kv_3 = prim.prefilling @mend["Mend " tokens 2, %d tokens 32 late, ": " tokens 1, %5 tokens 32 late] at "m" engine "small" work <input = 67> if %4 : (!flow.text, !flow.text) -> !prim.kv
// CHECK-NEXT:   %m = prim.decoding @mend(%kv_3) at "m" engine "small" work <output = 40, context = 67> if %4 : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %r = prim.aggregate choose(%d, %m, %3, %4) if %0 : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
// CHECK-NEXT:   %kv_4 = prim.prefilling @draft[system "Be brief." tokens 3, "Draft: " tokens 2, %q tokens 10] config <"small", temperature = 0.5> at "d2" engine "small" work <input = 15> if %1 : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %d2 = prim.decoding @draft(%kv_4) config <"small", temperature = 0.5> at "d2" engine "small" work <output = 32, context = 15> if %1 : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %6 = prim.tool @tests(%d2) at "k.check" engine "@tests" work <input = 32> if %1 : (!flow.text) -> !flow.bool
// CHECK-NEXT:   %7, %8 = prim.condition verdict(%6) ["accept" 0.5, "reject" 0.5] if %1 : (!flow.bool) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   %kv_5 = prim.prefilling @draft[system "Be brief." tokens 3, "Draft: " tokens 2, %q tokens 10] config <"small", temperature = 0.5> at "d2#2" engine "small" work <input = 15> if %8 : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %d2_1 = prim.decoding @draft(%kv_5) config <"small", temperature = 0.5> at "d2#2" engine "small" work <output = 32, context = 15> if %8 : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %k = prim.aggregate choose(%d2, %d2_1, %7, %8) if %1 : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
// CHECK-NEXT:   %a = prim.aggregate choose(%r, %k, %0, %1) : (!flow.text, !flow.text, !prim.guard, !prim.guard) -> !flow.text
// CHECK-NEXT:   %kv_6 = prim.prefilling @split["Parts of " tokens 3, %q tokens 10] at "parts" engine "llm" work <input = 13> after(%a : !flow.text) : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %parts = prim.decoding @split(%kv_6) at "parts" engine "llm" work <items = 2, output = 20, context = 13> : (!prim.kv) -> !flow.list<!flow.text>
// CHECK-NEXT:   %item = prim.item(%parts) 0 at "done" : (!flow.list<!flow.text>) -> !flow.text
// CHECK-NEXT:   %kv_7 = prim.prefilling @draft[system "Be brief." tokens 3, "Draft: " tokens 2, %item tokens 10 late] config <"small", temperature = 0.5> at "one[0]" engine "small" work <input = 15> : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %one = prim.decoding @draft(%kv_7) config <"small", temperature = 0.5> at "one[0]" engine "small" work <output = 32, context = 15> : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %item_1 = prim.item(%parts) 1 at "done" : (!flow.list<!flow.text>) -> !flow.text
// CHECK-NEXT:   %kv_8 = prim.prefilling @draft[system "Be brief." tokens 3, "Draft: " tokens 2, %item_1 tokens 10 late] config <"small", temperature = 0.5> at "one[1]" engine "small" work <input = 15> : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %one_1 = prim.decoding @draft(%kv_8) config <"small", temperature = 0.5> at "one[1]" engine "small" work <output = 32, context = 15> : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %item_2 = prim.item(%parts) 2 last at "done" spare : (!flow.list<!flow.text>) -> !flow.text
// CHECK-NEXT:   %kv_9 = prim.prefilling @draft[system "Be brief." tokens 3, "Draft: " tokens 2, %item_2 tokens 10 late] config <"small", temperature = 0.5> at "one[2]" engine "small" work <input = 15> spare : (!flow.text) -> !prim.kv
// CHECK-NEXT:   %one_2 = prim.decoding @draft(%kv_9) config <"small", temperature = 0.5> at "one[2]" engine "small" work <output = 32, context = 15> spare : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %done = prim.aggregate gather(%one, %one_1, %one_2) : (!flow.text, !flow.text, !flow.text) -> !flow.list<!flow.text>
// CHECK-NEXT:   %item_3 = prim.item(%parts) 0 last at "same" after(%done : !flow.list<!flow.text>) : (!flow.list<!flow.text>) -> !flow.text
// CHECK-NEXT:   %9, %10 = prim.condition present(%item_3) ["there" 1, "missing" 0] : (!flow.text) -> (!prim.guard, !prim.guard)
// CHECK-NEXT:   %11 = prim.aggregate choose(%a, %9) : (!flow.text, !prim.guard) -> !flow.text
// CHECK-NEXT:   %same = prim.aggregate gather(%11) : (!flow.text) -> !flow.list<!flow.text>
// CHECK-NEXT:   %12 = prim.aggregate all(%a, %q) after(%same : !flow.list<!flow.text>) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
// CHECK-NEXT:   %kv_10 = prim.prefilling @pick["Best of\n" tokens 2, %12 tokens 50 late] at "best" engine "llm" work <input = 52> : (!flow.list<!flow.text>) -> !prim.kv
// CHECK-NEXT:   %13 = prim.decoding @pick(%kv_10) raw at "best" engine "llm" work <output = 32, context = 52> : (!prim.kv) -> !flow.text
// CHECK-NEXT:   %best = prim.aggregate pick(%13, %a, %q) : (!flow.text, !flow.text, !flow.text) -> !flow.text
// CHECK-NEXT:   prim.return %best : !flow.text
// CHECK-NEXT: }

// FREE-NOT: after
// FREE: prim.prefilling @kind["Which kind? " tokens 3, %q tokens 10] at "kind" engine "small"
