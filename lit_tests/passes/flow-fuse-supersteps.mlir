// RUN: flowir-opt %s -p flow-fuse-supersteps | flowir-opt | filecheck %s
// RUN: flowir-opt %s -p flow-fuse-supersteps,flow-fuse-supersteps | filecheck %s

flow.agent @ask prompt "{x}" space <models = ["a"]>
flow.agent @judge prompt "{candidates}" space <models = ["a"]>
flow.tool @check impl "m:check" -> !flow.bool accepts <right = 0.9, wrong = 0.1>

// Two chains beside each other are two nodes; who reads both has its own.
// CHECK-LABEL: flow.workflow @chains
// CHECK-NEXT: flow.call @ask(%x) attributes {flow.fused = "node_0"}
// CHECK-NEXT: flow.call @ask(%x) attributes {flow.fused = "node_1"}
// CHECK-NEXT: flow.call @ask(%{{.*}}) attributes {flow.fused = "node_0"}
// CHECK-NEXT: flow.call @ask(%{{.*}}) attributes {flow.fused = "node_1"}
// CHECK-NEXT: flow.join select(%{{.*}}, %{{.*}}) by @judge :
flow.workflow @chains(%x: !flow.text) -> !flow.text {
  %a1 = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %b1 = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %a2 = flow.call @ask(%a1) : (!flow.text) -> !flow.text
  %b2 = flow.call @ask(%b1) : (!flow.text) -> !flow.text
  %s = flow.join select(%a2, %b2) by @judge : (!flow.text, !flow.text) -> !flow.text
  flow.return %s : !flow.text
}

// One after another, and one beside another, nothing waits: all keep their nodes.
// CHECK-LABEL: flow.workflow @series
// CHECK-NOT:  flow.fused
// CHECK-LABEL: flow.workflow @inside
flow.workflow @series(%x: !flow.text) -> !flow.text {
  %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %b = flow.call @ask(%a) : (!flow.text) -> !flow.text
  %c = flow.call @ask(%a) : (!flow.text) -> !flow.text
  %s = flow.join select(%b, %c) by @judge : (!flow.text, !flow.text) -> !flow.text
  %d = flow.call @ask(%s) : (!flow.text) -> !flow.text
  flow.return %d : !flow.text
}

// A tier is a graph of its own; the call beside the chain is a node by itself.
// CHECK:      flow.fallback
// CHECK-NOT:  attributes {flow.fused = {{.*}} -> !flow.text {
// CHECK:      flow.call @ask(%x) attributes {flow.fused = "node_0"}
// CHECK-NEXT: flow.call @ask(%{{.*}}) attributes {flow.fused = "node_0"}
// CHECK-NEXT: flow.call @ask(%x) :
flow.workflow @inside(%x: !flow.text) -> !flow.text {
  %k = flow.fallback until @check max 2 -> !flow.text {
    %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
    %b = flow.call @ask(%a) : (!flow.text) -> !flow.text
    %c = flow.call @ask(%x) : (!flow.text) -> !flow.text
    %s = flow.join select(%b, %c) by @judge : (!flow.text, !flow.text) -> !flow.text
    flow.yield %s : !flow.text
  }
  flow.return %k : !flow.text
}

// What a race cancels is inside its node already.
// CHECK-LABEL: flow.workflow @race
// CHECK-NOT:  flow.fused
// CHECK-LABEL: flow.workflow @open
flow.workflow @race(%x: !flow.text) -> !flow.text {
  %a1 = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %a2 = flow.call @ask(%a1) : (!flow.text) -> !flow.text
  %b = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %f = flow.join first(%a2, %b) : (!flow.text, !flow.text) -> !flow.text
  flow.return %f : !flow.text
}

// Which of these is chosen decides what waits for what: they are fused when it is.
// CHECK-NOT:  flow.fused
flow.workflow @open(%x: !flow.text) -> !flow.text {
  %a1 = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %a2 = flow.call @ask(%a1) : (!flow.text) -> !flow.text
  %b = flow.alternatives "way" -> !flow.text
    "kept" {
      %c = flow.call @ask(%x) : (!flow.text) -> !flow.text
      flow.yield %c : !flow.text
    }
    "skipped" {
      flow.yield %x : !flow.text
    }
  %s = flow.join select(%a2, %b) by @judge : (!flow.text, !flow.text) -> !flow.text
  flow.return %s : !flow.text
}
