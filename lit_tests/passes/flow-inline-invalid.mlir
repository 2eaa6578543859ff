// RUN: flowir-opt %s -p flow-inline --split-input-file --verify-diagnostics | filecheck %s

// CHECK: flow.call @ask at "b.a": the group "inner" would stand for calls without a group in @inner and for "inner" in @outer; rename one
flow.agent @ask prompt "{x}"
flow.workflow @inner(%x: !flow.text) -> !flow.text {
  %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
flow.workflow @outer(%x: !flow.text) -> !flow.text {
  %b = flow.call @inner(%x) : (!flow.text) -> !flow.text
  %c = flow.call @ask(%b) as "inner" : (!flow.text) -> !flow.text
  flow.return %c : !flow.text
}

// -----

// CHECK: flow.call @ask at "b.a": the site name is taken by flow.call @ask at "b.a"; rename one
flow.agent @ask prompt "{x}"
flow.workflow @inner(%x: !flow.text) -> !flow.text {
  %a = flow.call @ask(%x) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
flow.workflow @outer(%x: !flow.text) -> !flow.text {
  %b = flow.call @inner(%x) : (!flow.text) -> !flow.text
  %c = flow.call @ask(%b) at "b.a" : (!flow.text) -> !flow.text
  flow.return %c : !flow.text
}

// -----

// CHECK: flow.map at "b.m": `mean` is allowed only where the list is the workflow's result
flow.workflow @inner(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = flow.map(%x) in %xs : !flow.list<!flow.text> max 2 mean -> !flow.list<!flow.text> {
    flow.yield %x : !flow.text
  }
  flow.return %m : !flow.list<!flow.text>
}
flow.workflow @outer(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %b = flow.call @inner(%xs) : (!flow.list<!flow.text>) -> !flow.list<!flow.text>
  %n = flow.map(%x) in %b : !flow.list<!flow.text> max 2 -> !flow.list<!flow.text> {
    flow.yield %x : !flow.text
  }
  flow.return %n : !flow.list<!flow.text>
}
