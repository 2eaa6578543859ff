// RUN: flowir-opt %s -t mermaid | filecheck %s
// RUN: flowir-opt %s --dse='execution=sequential draws=20 scenarios=16' --profile %S/../passes/Inputs/coder.csv -t mermaid 2>/dev/null | filecheck %s --check-prefix=FRONT
// RUN: flowir-opt %s --dse='execution=sequential draws=20 scenarios=16' --profile %S/../passes/Inputs/coder.csv -t 'mermaid{point=0}' 2>/dev/null | filecheck %s --check-prefix=POINT
// RUN: not flowir-opt %s -t 'mermaid{workflow=nobody}' 2>&1 | filecheck %s --check-prefix=NOBODY
// RUN: not flowir-opt %s -t 'mermaid{point=0}' 2>&1 | filecheck %s --check-prefix=NONE

flow.agent @coder prompt "{x}" space <models = ["small", "large"]>
flow.tool @ok impl "a.b:ok" -> !flow.bool accepts <right = 0.99, wrong = 0.2>

flow.workflow @w(%x: !flow.text) -> !flow.text {
  %a = flow.alternatives "how \"many\"" -> !flow.text
    "once" {
      %draft = flow.call @coder(%x) : (!flow.text) -> !flow.text
      flow.yield %draft : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @ok max 3 -> !flow.text {
        %try = flow.call @coder(%x) as "again" : (!flow.text) -> !flow.text
        flow.yield %try : !flow.text
      }
      flow.yield %kept : !flow.text
    }
  flow.return %a : !flow.text
}

flow.workflow @other(%x: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %out = flow.map(%item) in %x : !flow.list<!flow.text> max 4 -> !flow.list<!flow.text> {
    %got = flow.call @w(%item) : (!flow.text) -> !flow.text
    flow.yield %got : !flow.text
  }
  flow.return %out : !flow.list<!flow.text>
}

// CHECK:      flowchart TD
// CHECK-NEXT:   subgraph c11["workflow w"]
// CHECK-NEXT:     n1(["x: text"])
// CHECK-NEXT:     subgraph c9["choice how #34;many#34;"]
// CHECK-NEXT:       subgraph c3["once"]
// CHECK-NEXT:         n2["draft<br/>coder"]
// CHECK-NEXT:       end
// CHECK-NEXT:       subgraph c8["retry"]
// CHECK-NEXT:         subgraph c7["fallback kept<br/>at most 3 tries"]
// CHECK-NEXT:           n5["try<br/>coder<br/>group again"]
// CHECK-NEXT:           n4{"ok"}
// CHECK-NEXT:         end
// CHECK-NEXT:       end
// CHECK-NEXT:     end
// CHECK-NEXT:     n10(["result: text"])
// CHECK-NEXT:   end
// CHECK-NEXT:   subgraph c16["workflow other"]
// CHECK-NEXT:     n12(["x: list#60;text#62;"])
// CHECK-NEXT:     subgraph c14["map out<br/>for each of at most 4"]
// CHECK-NEXT:       n13{{\[\[}}"got<br/>w"{{\]\]}}
// CHECK-NEXT:     end
// CHECK-NEXT:     n15(["result: list#60;text#62;"])
// CHECK-NEXT:   end
// CHECK-NEXT:   n1 --> n2
// CHECK-NEXT:   n1 --> n5
// CHECK-NEXT:   n5 --> n4
// CHECK-NEXT:   n4 -.->|"rejected"| n5
// CHECK-NEXT:   n2 --> n10
// CHECK-NEXT:   n4 --> n10
// CHECK-NEXT:   n5 --> n10
// CHECK-NEXT:   n12 --> n13
// CHECK-NEXT:   n13 --> n15

// FRONT:        subgraph c12["workflow other<br/>3 points"]
// FRONT:            subgraph c9["choice w.how #34;many#34;"]
// FRONT-NEXT:         subgraph c3["once<br/>point 0"]
// FRONT:              subgraph c8["retry<br/>points 1, 2"]

// POINT:        subgraph c5["workflow other<br/>{{[0-9.]+}} #37; right, {{[0-9.]+}} s"]
// POINT-NEXT:     n1(["x: list#60;text#62;"])
// POINT-NEXT:     subgraph c3["map out<br/>for each of at most 4"]
// POINT-NEXT:       n2["got.draft<br/>coder<br/>small"]
// POINT:          n4(["result: list#60;text#62;"])

// NOBODY: no workflow @nobody; there are w, other
// NONE: no workflow has a front; run flow-dse first (--dse)
