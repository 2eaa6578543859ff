// Twelve agents with everything the search meets at once: a router and a branch, a fallback behind
// tests, a refinement loop with a critic, a selector, and three structural choices. Made up.

flow.agent @router prompt "Which kind of question is this?\n{question}" -> !flow.label parser "label"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @planner prompt "Plan how to answer.\n{question}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @searcher prompt "What is known about this?\n{question}\n{plan}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @reader prompt "What do the sources say?\n{question}\n{plan}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @summariser prompt "Sum up.\n{found}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @solver prompt "Work it out.\n{question}\n{plan}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @coder prompt "Write a program that answers it.\n{question}\n{plan}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @writer prompt "Answer in prose.\n{question}\n{background}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @judge prompt "Which answer is best?\n{question}\n{candidates}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @critic prompt "Is this right?\n{question}\n{value}" -> !flow.bool
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @mender prompt "Mend it.\n{question}\n{value}\n{feedback}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.agent @editor prompt "Put it in final form.\n{answer}"
  space <models = ["a", "b", "c", "d", "e"], budgets = [200, 800, 2000, 8000]>
  baseline <"e", budget = 8000>
flow.tool @tests impl "made.up:tests" -> !flow.bool effect pure latency 0.05
  accepts <right = 0.98, wrong = 0.2>

flow.workflow @twelve(%question: !flow.text) -> !flow.text {
  %kind = flow.call @router(%question) : (!flow.text) -> !flow.label
  %plan = flow.call @planner(%question) : (!flow.text) -> !flow.text
  %background = flow.alternatives "research" -> !flow.text
    "both" {
      %known = flow.call @searcher(%question, %plan) : (!flow.text, !flow.text) -> !flow.text
      %said = flow.call @reader(%question, %plan) : (!flow.text, !flow.text) -> !flow.text
      %found = flow.join concat(%known, %said) : (!flow.text, !flow.text) -> !flow.text
      %summary = flow.call @summariser(%found) : (!flow.text) -> !flow.text
      flow.yield %summary : !flow.text
    }
    "search" {
      %known = flow.call @searcher(%question, %plan) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %known : !flow.text
    }
    "none" {
      flow.yield %plan : !flow.text
    }
  %draft = flow.branch %kind : !flow.label -> !flow.text
    "reasoning" {
      %worked = flow.alternatives "ensemble" -> !flow.text
        "two" {
          %one = flow.call @solver(%question, %plan) : (!flow.text, !flow.text) -> !flow.text
          %other = flow.call @coder(%question, %plan) as "other"
            : (!flow.text, !flow.text) -> !flow.text
          %best = flow.join select(%one, %other) by @judge(%question : !flow.text)
            : (!flow.text, !flow.text) -> !flow.text
          flow.yield %best : !flow.text
        }
        "one" {
          %one = flow.call @solver(%question, %plan) : (!flow.text, !flow.text) -> !flow.text
          flow.yield %one : !flow.text
        }
      flow.yield %worked : !flow.text
    }
    "program" {
      %kept = flow.fallback until @tests(%question : !flow.text) max 3 -> !flow.text {
        %program = flow.call @coder(%question, %plan) : (!flow.text, !flow.text) -> !flow.text
        flow.yield %program : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    else {
      %prose = flow.call @writer(%question, %background) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %prose : !flow.text
    }
  %checked = flow.alternatives "refinement" -> !flow.text
    "twice" {
      %mended = flow.refine(%value, %feedback) from %draft : !flow.text max 2
          until @critic(%question : !flow.text) {
        %better = flow.call @mender(%question, %value, %feedback)
          : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %better : !flow.text
      }
      flow.yield %mended : !flow.text
    }
    "none" {
      flow.yield %draft : !flow.text
    }
  %final = flow.call @editor(%checked) : (!flow.text) -> !flow.text
  flow.return %final : !flow.text
}
