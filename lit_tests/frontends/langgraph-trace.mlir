// RUN: mkdir -p %t && cd %S/Inputs && flowir import langgraph routed.py:graph -o %t/routed.mlir --result answer --trace runs.jsonl | filecheck %s --check-prefix=SAID
// RUN: filecheck %s < %t/routed.mlir
// RUN: flowir check %t/routed.mlir
// RUN: filecheck %s --check-prefix=CALLS < %t/routed_calls.csv

// A branch and a map, with what three recorded runs say of them.

// SAID:      routed_calls.csv: the model calls of the runs, as a profile
// SAID-NOT:  weight
// SAID-NOT:  width
// SAID:      part: at most 4 items, the most of 3 runs; --bound sets it

// CHECK:       flow.agent @classify prompt "Long or short? {text}"
// CHECK:         flowir.runs = "classify: gpt-4o-mini, 2 times in 3 runs, 0.5 s, 15 tokens in, 3 out"
// CHECK:       flow.tool @join impl "routed_tools:join" effect pure latency 0.5
// CHECK-SAME:    flowir.runs = "0.5 s, at most 0.5 s, 1 time in 3 runs"
// CHECK:       flow.branch %classify_next : !flow.label at "classify_next.branch" -> !flow.text attributes {flowir.runs = "many 2, one 1 of 3, from 3 runs"
// CHECK-NEXT:    "many" weight 0.625 {
// CHECK-NEXT:      %split_items = flow.call @split_items(%text)
// CHECK-NEXT:      flow.map(%item) in %split_items : !flow.list<!flow.json> max 4 width 3
// CHECK-SAME:        flowir.runs = "3 items, at most 4, 2 times in 3 runs"
// CHECK-NEXT:        %pick_line = flow.call @pick_line(%item)
// CHECK-NEXT:        %part = flow.call @part(%pick_line)
// CHECK:           "one" weight 0.375 {
// CHECK-NEXT:        flow.call @whole(%text)

// CALLS:      sub_agent,model,budget,params,query_id,sample,latency_s,input_tokens,output_tokens,error
// CALLS-NEXT: classify,gpt-4o-mini,,,1,1.0,0.25,10,2,
// CALLS-NEXT: classify,gpt-4o-mini,,,2,2.0,0.75,20,4,
