// RUN: mkdir -p %t && cd %S/Inputs && flowir import langgraph refined.py:graph -o %t/refined.mlir --bound write=4 --result draft | filecheck %s --check-prefix=SAID
// RUN: filecheck %s < %t/refined.mlir
// RUN: flowir check %t/refined.mlir
// RUN: flowir-opt %t/refined.mlir -t asyncio -o %t/refined_asyncio.py && flowir-opt %t/refined.mlir -t langgraph -o %t/refined_langgraph.py
// RUN: filecheck %s --check-prefix=TOOLS < %t/refined_tools.py

// A loop that a model ends, at most four turns: one, and three bodies.

// SAID:      refined.mlir, and {{.*}}refined_tools.py
// SAID:      @criticise_accepts: how often it accepts right and wrong results
// SAID-NOT:  --bound
// SAID:      refined.py:17: unbounded-loop:

// CHECK:       flow.agent @write prompt "Write on {topic}. Critique: none"
// CHECK-NEXT:    space <models = ["gpt-4o-mini"]>
// CHECK:       flow.agent @write_2 prompt "Write on {topic}. Critique: {critique}"
// CHECK:       flow.workflow @graph(%topic: !flow.text) -> !flow.text
// CHECK:         %write = flow.call @write(%topic) at "write"
// CHECK-NEXT:    %criticise = flow.call @criticise(%write)
// CHECK-NEXT:    %criticise_next = flow.call @criticise_next(%criticise)
// CHECK-NEXT:    %pack_draft_critique_goto = flow.call @pack_draft_critique_goto(%write, %criticise, %criticise_next)
// CHECK-NEXT:    flow.refine(%values, %feedback) from %pack_draft_critique_goto : !flow.json max 3 until @criticise_accepts at "write.refine"
// CHECK-NEXT:      %pick_critique = flow.call @pick_critique(%values)
// CHECK-NEXT:      %write_1 = flow.call @write_2(%topic, %pick_critique)
// CHECK-NEXT:      %criticise_1 = flow.call @criticise(%write_1)
// CHECK-NEXT:      %criticise_next_1 = flow.call @criticise_next(%criticise_1)
// CHECK-NEXT:      flow.call @pack_draft_critique_goto(%write_1, %criticise_1, %criticise_next_1)
// CHECK-NEXT:      flow.yield
// CHECK:         flow.return %pick_draft : !flow.text

// TOOLS:      import refined as refined_code
// TOOLS:      def criticise_next(critique):
// TOOLS-NEXT:     return str(refined_code.enough({'critique': critique}))
// TOOLS:      def criticise_accepts(values):
// TOOLS-NEXT:     return values['__goto__'] in ('__end__',)
