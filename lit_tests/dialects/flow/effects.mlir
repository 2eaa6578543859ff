// RUN: flowir-opt %s -p cse | filecheck %s --check-prefix=CSE
// RUN: flowir-opt %s -p dce | filecheck %s --check-prefix=DCE

flow.agent @a prompt "{x}"
flow.agent @judge prompt "{candidates}"
flow.tool @pure impl "m:pure" effect pure
flow.tool @look impl "m:look" effect reads
flow.tool @log impl "m:log"
flow.tool @check impl "m:check" -> !flow.bool effect pure

flow.workflow @formats(%x: !flow.text) -> !flow.text {
  %p = flow.call @pure(%x) : (!flow.text) -> !flow.text
  flow.return %p : !flow.text
}
flow.workflow @drafts(%x: !flow.text) -> !flow.text {
  %a = flow.call @a(%x) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
flow.workflow @reports(%x: !flow.text) -> !flow.text {
  %a = flow.call @log(%x) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}

// Two draws are two draws; so are two looks at the world, and what is written is written.
// CSE-LABEL: @twins
flow.workflow @twins(%x: !flow.text) -> !flow.text {
  %a1 = flow.call @a(%x) : (!flow.text) -> !flow.text
  %a2 = flow.call @a(%x) : (!flow.text) -> !flow.text
  %p1 = flow.call @pure(%x) : (!flow.text) -> !flow.text
  %p2 = flow.call @pure(%x) : (!flow.text) -> !flow.text
  %r1 = flow.call @look(%x) : (!flow.text) -> !flow.text
  %r2 = flow.call @look(%x) : (!flow.text) -> !flow.text
  %w1 = flow.call @log(%x) : (!flow.text) -> !flow.text
  %w2 = flow.call @log(%x) : (!flow.text) -> !flow.text
  %f1 = flow.call @formats(%x) : (!flow.text) -> !flow.text
  %f2 = flow.call @formats(%x) : (!flow.text) -> !flow.text
  %d1 = flow.call @drafts(%x) : (!flow.text) -> !flow.text
  %d2 = flow.call @drafts(%x) : (!flow.text) -> !flow.text
  %s1 = flow.join select(%a1, %a2) by @judge : (!flow.text, !flow.text) -> !flow.text
  %s2 = flow.join select(%a1, %a2) by @judge : (!flow.text, !flow.text) -> !flow.text
  %all = flow.join concat(%a1, %a2, %p1, %p2, %r1, %r2, %w1, %w2, %f1, %f2, %d1, %d2, %s1, %s2)
    : (!flow.text, !flow.text, !flow.text, !flow.text, !flow.text, !flow.text, !flow.text,
       !flow.text, !flow.text, !flow.text, !flow.text, !flow.text, !flow.text, !flow.text) -> !flow.text
  flow.return %all : !flow.text
}
// CSE-NEXT:    %a1 = flow.call @a(%x)
// CSE-NEXT:    %a2 = flow.call @a(%x)
// CSE-NEXT:    %p1 = flow.call @pure(%x)
// CSE-NEXT:    %r1 = flow.call @look(%x)
// CSE-NEXT:    %r2 = flow.call @look(%x)
// CSE-NEXT:    %w1 = flow.call @log(%x)
// CSE-NEXT:    %w2 = flow.call @log(%x)
// CSE-NEXT:    %f1 = flow.call @formats(%x)
// CSE-NEXT:    %d1 = flow.call @drafts(%x)
// CSE-NEXT:    %d2 = flow.call @drafts(%x)
// CSE-NEXT:    %s1 = flow.join select(%a1, %a2) by @judge
// CSE-NEXT:    %s2 = flow.join select(%a1, %a2) by @judge
// CSE-NEXT:    flow.join concat(%a1, %a2, %p1, %p1, %r1, %r2, %w1, %w2, %f1, %f1, %d1, %d2, %s1, %s2)

// The same inside regions, and for whole regions; a value made outside serves inside.
// CSE-LABEL: @nested_twins
flow.workflow @nested_twins(%x: !flow.text) -> !flow.text {
  %p = flow.call @pure(%x) : (!flow.text) -> !flow.text
  %m1 = flow.fallback until @check max 2 -> !flow.text {
    %q = flow.call @pure(%x) : (!flow.text) -> !flow.text
    flow.yield %q : !flow.text
  }
  %m2 = flow.fallback until @check max 2 -> !flow.text {
    %q = flow.call @pure(%x) : (!flow.text) -> !flow.text
    flow.yield %q : !flow.text
  }
  %n1 = flow.fallback until @check max 2 -> !flow.text {
    %q = flow.call @a(%p) : (!flow.text) -> !flow.text
    flow.yield %q : !flow.text
  }
  %n2 = flow.fallback until @check max 2 -> !flow.text {
    %q1 = flow.call @a(%p) : (!flow.text) -> !flow.text
    %q2 = flow.call @a(%p) : (!flow.text) -> !flow.text
    %q = flow.join vote(%q1, %q2) : (!flow.text, !flow.text) -> !flow.text
    flow.yield %q : !flow.text
  }
  %n3 = flow.fallback until @check max 2 -> !flow.text {
    %q = flow.call @a(%p) : (!flow.text) -> !flow.text
    flow.yield %q : !flow.text
  }
  %all = flow.join concat(%m1, %m2, %n1, %n2, %n3) : (!flow.text, !flow.text, !flow.text, !flow.text, !flow.text) -> !flow.text
  flow.return %all : !flow.text
}
// CSE-NEXT:    %p = flow.call @pure(%x)
// CSE-NEXT:    %m1 = flow.fallback
// CSE-NEXT:      flow.yield %p
// CSE-NEXT:    }
// CSE-NEXT:    %n1 = flow.fallback
// CSE-NEXT:      flow.call @a(%p)
// CSE:         %n2 = flow.fallback
// CSE-NEXT:      %q1 = flow.call @a(%p)
// CSE-NEXT:      %q2 = flow.call @a(%p)
// CSE:         %n3 = flow.fallback
// CSE-NEXT:      flow.call @a(%p)
// CSE:         flow.join concat(%m1, %m1, %n1, %n2, %n3)

// What nobody reads is dropped, unless it writes, directly, as a checker or further inside.
// DCE-LABEL: @dead
flow.workflow @dead(%x: !flow.text) -> !flow.text {
  %a = flow.call @a(%x) : (!flow.text) -> !flow.text
  %p = flow.call @pure(%a) : (!flow.text) -> !flow.text
  %r = flow.call @look(%p) : (!flow.text) -> !flow.text
  %d = flow.call @drafts(%x) : (!flow.text) -> !flow.text
  %s = flow.join select(%a, %r) by @judge : (!flow.text, !flow.text) -> !flow.text
  %v = flow.join vote(%a, %r) key @pure : (!flow.text, !flow.text) -> !flow.text
  %f = flow.fallback until @check max 2 -> !flow.text {
    %q = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %q : !flow.text
  }
  %w = flow.call @log(%x) : (!flow.text) -> !flow.text
  %o = flow.call @reports(%x) : (!flow.text) -> !flow.text
  %k = flow.join vote(%x, %x) key @log : (!flow.text, !flow.text) -> !flow.text
  %c = flow.fallback until @log max 2 -> !flow.text {
    %q = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %q : !flow.text
  }
  %i = flow.alternatives "i" -> !flow.text
    "in" {
      %dead = flow.call @a(%x) : (!flow.text) -> !flow.text
      %deep = flow.call @log(%x) : (!flow.text) -> !flow.text
      flow.yield %x : !flow.text
    }
  flow.return %x : !flow.text
}
// DCE-NEXT:    %w = flow.call @log(%x)
// DCE-NEXT:    %o = flow.call @reports(%x)
// DCE-NEXT:    %k = flow.join vote(%x, %x) key @log
// DCE-NEXT:    %c = flow.fallback until @log max 2
// DCE-NEXT:      flow.call @a(%x)
// DCE-NEXT:      flow.yield
// DCE-NEXT:    }
// DCE-NEXT:    %i = flow.alternatives "i"
// DCE-NEXT:      "in" {
// DCE-NEXT:        %deep = flow.call @log(%x)
// DCE-NEXT:        flow.yield %x
// DCE-NEXT:      }
// DCE-NEXT:    flow.return %x
