// RUN: flowir-opt %s -p flow-name-sites | filecheck %s
// RUN: flowir-opt %s -p flow-name-sites,flow-name-sites | filecheck %s

// A given name is kept, a taken one is numbered, a hint serves before the name of what is called.
flow.agent @ask prompt "{x}"
flow.agent @route prompt "{x}" -> !flow.label
flow.agent @judge prompt "{candidates}"
flow.tool @check impl "m:check" -> !flow.bool effect pure

flow.workflow @w(%x: !flow.text) -> !flow.text {
  %draft = flow.call @ask(%x) : (!flow.text) -> !flow.text
  %0 = flow.call @ask(%draft) : (!flow.text) -> !flow.text
  %1 = flow.call @ask(%0) : (!flow.text) -> !flow.text
  %given = flow.call @ask(%1) at "draft_2" : (!flow.text) -> !flow.text
  %again = flow.fallback until @check max 2 -> !flow.text {
    %draft_9 = flow.call @ask(%given) : (!flow.text) -> !flow.text
    flow.yield %draft_9 : !flow.text
  }
  %all = flow.join all(%draft, %again) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
  %best = flow.join select(%draft, %again) by @judge : (!flow.text, !flow.text) -> !flow.text
  %kind = flow.call @route(%x) : (!flow.text) -> !flow.label
  %2 = flow.branch %kind : !flow.label -> !flow.text
    else {
      flow.yield %best : !flow.text
    }
  flow.return %2 : !flow.text
}

// CHECK:         %draft = flow.call @ask(%x) at "draft" :
// CHECK-NEXT:    flow.call @ask(%draft) at "ask" :
// CHECK-NEXT:    flow.call @ask(%{{.*}}) at "ask_2" :
// CHECK-NEXT:    flow.call @ask(%{{.*}}) at "draft_2" :
// CHECK-NEXT:    flow.fallback until @check max 2 at "again"
// CHECK-NEXT:      flow.call @ask(%given) at "draft_3" :
// CHECK:         flow.join all(%draft, %again) : (
// CHECK-NEXT:    flow.join select({{.*}}) by @judge at "best" :
// CHECK-NEXT:    flow.call @route(%x) at "kind" :
// CHECK-NEXT:    flow.branch %kind : !flow.label at "branch"
