flow.agent @coder prompt "Complete this function.\n\n{task}"
  space <models = ["gpt-3.5-turbo-0613", "gpt-4-0613", "gpt-4-turbo-2024-04-09"]>
  baseline <"gpt-4-0613">
flow.agent @router system "Reply with one word." prompt "{task}" -> !flow.label parser "label" space <models = ["a"], budgets = [10, 20], params = {temperature = [0.0, 0.7]}>
flow.agent @judge prompt "{task}\n{candidates}" space <models = ["a"]>
flow.agent @critic prompt "Is it right? {value}" space <models = ["a"]>
flow.agent @fixer prompt "{task} {value} {feedback}" space <models = ["a"]>
flow.tool @visible_tests impl "code_repair.tools:visible_tests" -> !flow.bool effect pure latency 0.05 accepts <right = 0.99, wrong = 0.2, persistence = 0.9>

flow.workflow @code_repair(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "strategy" -> !flow.text
    "once" {
      %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %draft : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @visible_tests(%task : !flow.text) max 5 -> !flow.text {
        %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
        flow.yield %draft : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    "vote" {
      %a = flow.call @coder(%task) at "a" as "strong" space <models = ["gpt-4-0613"]> : (!flow.text) -> !flow.text
      %b = flow.call @coder(%task) : (!flow.text) -> !flow.text
      %v = flow.join vote(%a, %b) : (!flow.text, !flow.text) -> !flow.text
      %s = flow.join select(%a, %b) by @judge(%task : !flow.text) at "pick" : (!flow.text, !flow.text) -> !flow.text
      %l = flow.join all(%v, %s) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
      %m = flow.map(%x) in %l : !flow.list<!flow.text> max 4 width 2 -> !flow.list<!flow.text> {
        %y = flow.call @coder(%x) : (!flow.text) -> !flow.text
        flow.yield %y : !flow.text
      }
      %r = flow.refine(%value, %feedback) from %s : !flow.text max 3 until @critic at "loop" {
        %f = flow.call @fixer(%task, %value, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %f : !flow.text
      }
      flow.yield %r : !flow.text
    }
  %kind = flow.call @router(%task) : (!flow.text) -> !flow.label
  %z = flow.branch %kind : !flow.label -> !flow.text
    "easy" weight 0.7 {
      flow.yield %answer : !flow.text
    }
    else weight 0.3 {
      %h = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %h : !flow.text
    }
  flow.return %z : !flow.text
}
