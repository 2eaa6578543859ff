// RUN: flowir-opt %s -p canonicalize --split-input-file | filecheck %s

flow.agent @a prompt "{x}"
flow.agent @judge prompt "{candidates}"
flow.agent @router prompt "{x}" -> !flow.label
flow.agent @fixer prompt "{x} {feedback}"
flow.agent @critic prompt "{x}"
flow.tool @check impl "m:check" -> !flow.bool effect pure
flow.tool @log impl "m:log" -> !flow.bool
flow.tool @key impl "m:key"

// vote(x) = concat(x) = select(x) = first(x) = x, and select(x, x) = x; lists stay lists.
// CHECK-LABEL: @joins_of_one
flow.workflow @joins_of_one(%x: !flow.text) -> !flow.list<!flow.text> {
  %a = flow.call @a(%x) : (!flow.text) -> !flow.text
  %v = flow.join vote(%a) : (!flow.text) -> !flow.text
  %c = flow.join concat(%v) : (!flow.text) -> !flow.text
  %s = flow.join select(%c) by @judge : (!flow.text) -> !flow.text
  %t = flow.join select(%s, %s) by @judge : (!flow.text, !flow.text) -> !flow.text
  %q = flow.join vote(%t, %t, %t) quorum : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %f = flow.join first(%q) : (!flow.text) -> !flow.text
  %g = flow.join first(%f, %f) until @judge : (!flow.text, !flow.text) -> !flow.text
  %l = flow.join all(%g) : (!flow.text) -> !flow.list<!flow.text>
  flow.return %l : !flow.list<!flow.text>
}
// CHECK-NEXT:    %a = flow.call @a(%x)
// CHECK-NEXT:    %l = flow.join all(%a)
// CHECK-NEXT:    flow.return %l

// Nothing is dropped that writes, and nothing that differs.
// CHECK-LABEL: @joins_kept
flow.workflow @joins_kept(%x: !flow.text) -> !flow.text {
  %a = flow.call @a(%x) : (!flow.text) -> !flow.text
  %b = flow.call @a(%x) : (!flow.text) -> !flow.text
  %k = flow.join vote(%a) key @key : (!flow.text) -> !flow.text
  %v = flow.join vote(%k, %b) : (!flow.text, !flow.text) -> !flow.text
  %c = flow.join concat(%v, %v) : (!flow.text, !flow.text) -> !flow.text
  %s = flow.join select(%c, %b) by @judge : (!flow.text, !flow.text) -> !flow.text
  flow.return %s : !flow.text
}
// CHECK-NEXT:    %a = flow.call @a(%x)
// CHECK-NEXT:    %b = flow.call @a(%x)
// CHECK-NEXT:    %k = flow.join vote(%a) key @key
// CHECK-NEXT:    %v = flow.join vote(%k, %b)
// CHECK-NEXT:    %c = flow.join concat(%v, %v)
// CHECK-NEXT:    %s = flow.join select(%c, %b) by @judge
// CHECK-NEXT:    flow.return %s

// branch l { else: b } = b, and nobody asks for the label any more.
// CHECK-LABEL: @branch_without_labels
flow.workflow @branch_without_labels(%x: !flow.text) -> !flow.text {
  %l = flow.call @router(%x) : (!flow.text) -> !flow.label
  %b = flow.branch %l : !flow.label -> !flow.text
    else {
      %a = flow.call @a(%x) at "kept" : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
  flow.return %b : !flow.text
}
// CHECK-NEXT:    %a = flow.call @a(%x) at "kept"
// CHECK-NEXT:    flow.return %a

// Inside the case "p" the label is "p"; inside `else` it is anything but "p".
// CHECK-LABEL: @branch_on_known_label
flow.workflow @branch_on_known_label(%x: !flow.text, %l: !flow.label, %m: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" {
      %c = flow.branch %l : !flow.label -> !flow.text
        "q" {
          flow.yield %x : !flow.text
        }
        "p" {
          %a = flow.call @a(%x) at "p in p" : (!flow.text) -> !flow.text
          flow.yield %a : !flow.text
        }
        else {
          flow.yield %x : !flow.text
        }
      flow.yield %c : !flow.text
    }
    "q" {
      %c = flow.branch %l : !flow.label -> !flow.text
        "p" {
          flow.yield %x : !flow.text
        }
        else {
          %a = flow.call @a(%x) at "else in q" : (!flow.text) -> !flow.text
          flow.yield %a : !flow.text
        }
      flow.yield %c : !flow.text
    }
    else {
      %c = flow.branch %l : !flow.label -> !flow.text
        "p" {
          flow.yield %x : !flow.text
        }
        else {
          %a = flow.call @a(%x) at "unknown" : (!flow.text) -> !flow.text
          flow.yield %a : !flow.text
        }
      flow.yield %c : !flow.text
    }
  flow.return %b : !flow.text
}
// CHECK-NEXT:    %b = flow.branch %l : !flow.label -> !flow.text
// CHECK-NEXT:      "p" {
// CHECK-NEXT:        %a = flow.call @a(%x) at "p in p"
// CHECK-NEXT:        flow.yield %a
// CHECK-NEXT:      }
// CHECK-NEXT:      "q" {
// CHECK-NEXT:        %{{.*}} = flow.call @a(%x) at "else in q"
// CHECK-NEXT:        flow.yield
// CHECK-NEXT:      }
// CHECK-NEXT:      else {
// CHECK-NEXT:        %{{.*}} = flow.branch %l

// Another label is not known.
// CHECK-LABEL: @branch_on_another_label
flow.workflow @branch_on_another_label(%x: !flow.text, %l: !flow.label, %m: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" {
      %c = flow.branch %m : !flow.label -> !flow.text
        "p" {
          %a = flow.call @a(%x) : (!flow.text) -> !flow.text
          flow.yield %a : !flow.text
        }
        else {
          flow.yield %x : !flow.text
        }
      flow.yield %c : !flow.text
    }
    else {
      flow.yield %x : !flow.text
    }
  flow.return %b : !flow.text
}
// CHECK-NEXT:    flow.branch %l
// CHECK-NEXT:      "p" {
// CHECK-NEXT:        flow.branch %m

// branch l { "p": x, else: x } = x, unless something in a case is written.
// CHECK-LABEL: @branch_to_one_value
flow.workflow @branch_to_one_value(%x: !flow.text, %l: !flow.label) -> !flow.text {
  %b = flow.branch %l : !flow.label -> !flow.text
    "p" {
      flow.yield %x : !flow.text
    }
    else {
      flow.yield %x : !flow.text
    }
  %c = flow.branch %l : !flow.label -> !flow.text
    "q" {
      %w = flow.call @log(%b) : (!flow.text) -> !flow.bool
      flow.yield %b : !flow.text
    }
    else {
      flow.yield %b : !flow.text
    }
  flow.return %c : !flow.text
}
// CHECK-NEXT:    %c = flow.branch %l
// CHECK-NEXT:      "q" {
// CHECK-NEXT:        flow.call @log(%x)
// CHECK:         flow.return %c

// The last tier is not checked: one tier, once, is its contents.
// CHECK-LABEL: @fallback_of_one
flow.workflow @fallback_of_one(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @log(%x : !flow.text) -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  }
  %g = flow.fallback until @check max 2 -> !flow.text {
    %a = flow.call @a(%f) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  }
  flow.return %g : !flow.text
}
// CHECK-NEXT:    %a = flow.call @a(%x)
// CHECK-NEXT:    %g = flow.fallback until @check max 2 -> !flow.text {
// CHECK-NEXT:      %{{.*}} = flow.call @a(%a)

// CHECK-LABEL: @fallback_in_last_tier
flow.workflow @fallback_in_last_tier(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @critic as "g" at "outer" -> !flow.text {
    %a = flow.call @a(%x) at "1" : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @critic as "g" -> !flow.text {
      %a = flow.call @a(%x) at "2" : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) at "3" : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK-NEXT:    %f = flow.fallback until @critic at "outer" as "g" -> !flow.text {
// CHECK-NEXT:      %a = flow.call @a(%x) at "1"
// CHECK-NEXT:      flow.yield %a
// CHECK-NEXT:    } else {
// CHECK-NEXT:      %{{.*}} = flow.call @a(%x) at "2"
// CHECK-NEXT:      flow.yield
// CHECK-NEXT:    } else {
// CHECK-NEXT:      %{{.*}} = flow.call @a(%x) at "3"
// CHECK-NEXT:      flow.yield
// CHECK-NEXT:    }
// CHECK-NEXT:    flow.return %f

// An inner fallback is kept where flattening would change who judges what, or lose a name.

// CHECK-LABEL: @kept_another_checker
flow.workflow @kept_another_checker(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @log -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_another_context
flow.workflow @kept_another_context(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @check(%x : !flow.text) -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_another_decision
flow.workflow @kept_another_decision(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @critic as "g" -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @critic -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_a_site_of_its_own
flow.workflow @kept_a_site_of_its_own(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @check at "here" -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_annotated
flow.workflow @kept_annotated(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @check -> !flow.text attributes {note = 1 : i64} {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_repeated
flow.workflow @kept_repeated(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check max 2 -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @check -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_repeated_inside
flow.workflow @kept_repeated_inside(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @check max 2 -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_not_the_whole_tier
flow.workflow @kept_not_the_whole_tier(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @check -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    %o = flow.call @a(%i) : (!flow.text) -> !flow.text
    flow.yield %o : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// CHECK-LABEL: @kept_not_the_result
flow.workflow @kept_not_the_result(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  } else {
    %i = flow.fallback until @log -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %x : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK:         %f = flow.fallback
// CHECK:           flow.fallback
// CHECK:         flow.return %f

// In an earlier tier it would be judged twice.
// CHECK-LABEL: @kept_in_first_tier
flow.workflow @kept_in_first_tier(%x: !flow.text) -> !flow.text {
  %f = flow.fallback until @check -> !flow.text {
    %i = flow.fallback until @check -> !flow.text {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    } else {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
    flow.yield %i : !flow.text
  } else {
    %a = flow.call @a(%x) : (!flow.text) -> !flow.text
    flow.yield %a : !flow.text
  }
  flow.return %f : !flow.text
}
// CHECK-NEXT:    %f = flow.fallback
// CHECK-NEXT:      %i = flow.fallback

// refine v from x { v } = x, unless its check is felt outside.
// CHECK-LABEL: @refine_to_itself
flow.workflow @refine_to_itself(%x: !flow.text) -> !flow.text {
  %r = flow.refine(%v, %f) from %x : !flow.text max 3 until @critic {
    flow.yield %v : !flow.text
  }
  %s = flow.refine(%v, %f) from %r : !flow.text max 3 until @log {
    flow.yield %v : !flow.text
  }
  %t = flow.refine(%v, %f) from %s : !flow.text max 3 until @check {
    flow.yield %f : !flow.text
  }
  flow.return %t : !flow.text
}
// CHECK-NEXT:    %s = flow.refine(%v, %f) from %x : !flow.text max 3 until @log
// CHECK-NEXT:      flow.yield %v
// CHECK-NEXT:    }
// CHECK-NEXT:    %t = flow.refine(%{{.*}}, %{{.*}}) from %s

// map x in xs { x } = xs, unless the mean over its items is what counts.
// CHECK-LABEL: @map_to_itself
flow.workflow @map_to_itself(%xs: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %m = flow.map(%i) in %xs : !flow.list<!flow.text> max 3 -> !flow.list<!flow.text> {
    %d = flow.call @a(%i) : (!flow.text) -> !flow.text
    flow.yield %i : !flow.text
  }
  %n = flow.map(%i) in %m : !flow.list<!flow.text> max 3 mean -> !flow.list<!flow.text> {
    flow.yield %i : !flow.text
  }
  flow.return %n : !flow.list<!flow.text>
}
// CHECK-NEXT:    %n = flow.map(%i) in %xs
// CHECK-NEXT:      flow.yield %i
// CHECK-NEXT:    }
// CHECK-NEXT:    flow.return %n

// alternatives { "p": x } = x; two are a choice, equal or not.
// CHECK-LABEL: @alternatives_of_one
flow.workflow @alternatives_of_one(%x: !flow.text) -> !flow.text {
  %c = flow.alternatives "c" -> !flow.text
    "p" {
      %a = flow.call @a(%x) : (!flow.text) -> !flow.text
      flow.yield %a : !flow.text
    }
  %d = flow.alternatives "d" -> !flow.text
    "p" {
      flow.yield %c : !flow.text
    }
    "q" {
      flow.yield %c : !flow.text
    }
  flow.return %d : !flow.text
}
// CHECK-NEXT:    %a = flow.call @a(%x)
// CHECK-NEXT:    %d = flow.alternatives "d" -> !flow.text
// CHECK-NEXT:      "p" {
// CHECK-NEXT:        flow.yield %a
