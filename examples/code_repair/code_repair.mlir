// Complete a Python function: one call, or one of four ways to spend more for a better answer.
// The observations beside this file are synthetic; see examples/synthesise.py.

flow.agent @coder
  system "You write Python. Answer with the complete function in one fenced code block."
  prompt "Complete this function.\n\n{task}"
  parser "code"
  metric "passes the hidden tests"
  space <models = [
    "gpt-3.5-turbo-0613", "gpt-3.5-turbo-1106", "gpt-3.5-turbo-0125",
    "gpt-4-0613", "gpt-4-1106-preview", "gpt-4-turbo-2024-04-09"
  ]>
  baseline <"gpt-4-0613">

// Runs the examples in the docstring. Rates measured on HumanEval; verdicts persist on a task.
flow.tool @visible_tests impl "flowir.examples.code_repair.tools:visible_tests" -> !flow.bool
  effect pure latency 0.05 accepts <right = 0.99, wrong = 0.2, persistence = 0.9>

// Two answers agree when their code does, whatever its comments and spacing.
flow.tool @normalised impl "flowir.examples.code_repair.tools:normalised" effect pure

flow.workflow @code_repair(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "strategy" -> !flow.text
    "once" {
      %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %draft : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @visible_tests(%task : !flow.text) max 5 -> !flow.text {
        %attempt = flow.call @coder(%task) : (!flow.text) -> !flow.text
        flow.yield %attempt : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    "cascade of two" {
      %kept = flow.fallback until @visible_tests(%task : !flow.text) -> !flow.text {
        %quick = flow.call @coder(%task) as "first" : (!flow.text) -> !flow.text
        flow.yield %quick : !flow.text
      } else {
        %strong = flow.call @coder(%task) as "second" : (!flow.text) -> !flow.text
        flow.yield %strong : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    "cascade of three" {
      %kept = flow.fallback until @visible_tests(%task : !flow.text) -> !flow.text {
        %quick = flow.call @coder(%task) as "first" : (!flow.text) -> !flow.text
        flow.yield %quick : !flow.text
      } else {
        %strong = flow.call @coder(%task) as "second" : (!flow.text) -> !flow.text
        flow.yield %strong : !flow.text
      } else {
        %last = flow.call @coder(%task) as "third" : (!flow.text) -> !flow.text
        flow.yield %last : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    "vote of three" {
      %a = flow.call @coder(%task) : (!flow.text) -> !flow.text
      %b = flow.call @coder(%task) : (!flow.text) -> !flow.text
      %c = flow.call @coder(%task) : (!flow.text) -> !flow.text
      %agreed = flow.join vote(%a, %b, %c) key @normalised
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %agreed : !flow.text
    }
  flow.return %answer : !flow.text
}
