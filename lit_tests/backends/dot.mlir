// RUN: flowir-opt %s -t dot | filecheck %s
// RUN: flowir-opt %s --dse='execution=sequential draws=20 scenarios=16' --profile %S/../passes/Inputs/coder.csv -t dot 2>/dev/null | filecheck %s --check-prefix=FRONT
// RUN: flowir-opt %s --dse='execution=sequential draws=20 scenarios=16' --profile %S/../passes/Inputs/coder.csv -t 'dot{point=0}' 2>/dev/null | filecheck %s --check-prefix=POINT
// RUN: not flowir-opt %s -t 'dot{workflow=nobody}' 2>&1 | filecheck %s --check-prefix=NOBODY
// RUN: not flowir-opt %s -t 'dot{point=0}' 2>&1 | filecheck %s --check-prefix=NONE

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

// CHECK:      digraph workflow {
// CHECK-NEXT:   graph [fontname="sans-serif", fontsize=11, compound=true, style="rounded", color="gray60"]
// CHECK-NEXT:   node [fontname="sans-serif", fontsize=11]
// CHECK-NEXT:   edge [fontname="sans-serif", fontsize=9]
// CHECK-NEXT:   subgraph cluster_c11 {
// CHECK-NEXT:     label="workflow w"
// CHECK-NEXT:     n1 [shape=oval, label="x: text"]
// CHECK-NEXT:     subgraph cluster_c9 {
// CHECK-NEXT:       label="choice how \"many\""
// CHECK-NEXT:       subgraph cluster_c3 {
// CHECK-NEXT:         label="once"
// CHECK-NEXT:         n2 [shape=box, label="draft\ncoder", tooltip="{x}"]
// CHECK-NEXT:       }
// CHECK-NEXT:       subgraph cluster_c8 {
// CHECK-NEXT:         label="retry"
// CHECK-NEXT:         subgraph cluster_c7 {
// CHECK-NEXT:           label="fallback kept\nat most 3 tries"
// CHECK-NEXT:           n5 [shape=box, label="try\ncoder\ngroup again", tooltip="{x}"]
// CHECK-NEXT:           n4 [shape=diamond, label="ok"]
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     n10 [shape=oval, label="result: text"]
// CHECK-NEXT:   }
// CHECK-NEXT:   subgraph cluster_c16 {
// CHECK-NEXT:     label="workflow other"
// CHECK-NEXT:     n12 [shape=oval, label="x: list<text>"]
// CHECK-NEXT:     subgraph cluster_c14 {
// CHECK-NEXT:       label="map out\nfor each of at most 4"
// CHECK-NEXT:       n13 [shape=box3d, label="got\nw"]
// CHECK-NEXT:     }
// CHECK-NEXT:     n15 [shape=oval, label="result: list<text>"]
// CHECK-NEXT:   }
// CHECK-NEXT:   n1 -> n2
// CHECK-NEXT:   n1 -> n5
// CHECK-NEXT:   n5 -> n4
// CHECK-NEXT:   n4 -> n5 [label="rejected", style=dashed]
// CHECK-NEXT:   n2 -> n10
// CHECK-NEXT:   n4 -> n10
// CHECK-NEXT:   n5 -> n10
// CHECK-NEXT:   n12 -> n13
// CHECK-NEXT:   n13 -> n15
// CHECK-NEXT: }

// FRONT:          label="workflow other\n3 points"
// FRONT:              label="choice w.how \"many\""
// FRONT:                label="once\npoint 0"
// FRONT:                label="retry\npoints 1, 2"

// POINT:        subgraph cluster_c5 {
// POINT-NEXT:     label="workflow other\n{{[0-9.]+}} % right, {{[0-9.]+}} s"
// POINT-NEXT:     n1 [shape=oval, label="x: list<text>"]
// POINT-NEXT:     subgraph cluster_c3 {
// POINT-NEXT:       label="map out\nfor each of at most 4"
// POINT-NEXT:       n2 [shape=box, label="got.draft\ncoder\nsmall", tooltip="{x}"]
// POINT:          n4 [shape=oval, label="result: list<text>"]

// NOBODY: no workflow @nobody; there are w, other
// NONE: no workflow has a front; run flow-dse first (--dse)
