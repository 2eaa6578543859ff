// FlowCompile's math workflow (arXiv 2605.13647): a detailed solution, up to two short ones and a
// program (which may be refined) are candidates; an ensemble picks one. Its 17 structures are the
// alternatives; the first is the whole workflow. Observations: synthetic, see examples/synthesise.py.

flow.agent @detailed
  system "Solve the problem step by step. End with the answer in \\boxed{{}}."
  prompt "{question}"
  metric "numeric"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 800, 2000, 8000]>
  baseline <"qwen3-14b", budget = 8000>

flow.agent @generate
  system "Solve the problem briefly. End with the answer in \\boxed{{}}."
  prompt "{question}"
  metric "numeric"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 800, 2000, 8000]>
  baseline <"qwen3-14b", budget = 8000>

flow.agent @programmer
  system "Write a Python program that prints the answer."
  prompt "{question}"
  parser "code"
  metric "numeric"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 800, 2000, 8000]>
  baseline <"qwen3-14b", budget = 8000>

flow.agent @refine
  system "Check the program against the question and give the mended solution with its answer."
  prompt "{question}\n\n{program}"
  metric "numeric"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 800, 2000, 8000]>
  baseline <"qwen3-14b", budget = 8000>

flow.agent @sc_ensemble
  system "Several solutions are given. Answer with the number of the best one."
  prompt "{question}\n\n{candidates}"
  metric "picks a right candidate"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 800, 2000, 8000]>
  baseline <"qwen3-14b", budget = 8000>

flow.tool @extract impl "flowir.examples.flowcompile.tools:extract" effect pure latency 0.001

flow.workflow @math(%question: !flow.text) -> !flow.text {
  %solution = flow.alternatives "structure" -> !flow.text
    "detailed + 2 generate + refined program" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %short1 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %short2 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %refined = flow.call @refine(%question, %program) : (!flow.text, !flow.text) -> !flow.text
      %best = flow.join select(%detailed, %short1, %short2, %refined) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed + 2 generate + program" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %short1 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %short2 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%detailed, %short1, %short2, %program) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed + 2 generate" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %short1 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %short2 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%detailed, %short1, %short2) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed + generate + refined program" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %short = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %refined = flow.call @refine(%question, %program) : (!flow.text, !flow.text) -> !flow.text
      %best = flow.join select(%detailed, %short, %refined) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed + generate + program" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %short = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%detailed, %short, %program) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed + generate" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %short = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%detailed, %short) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed + refined program" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %refined = flow.call @refine(%question, %program) : (!flow.text, !flow.text) -> !flow.text
      %best = flow.join select(%detailed, %refined) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed + program" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%detailed, %program) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "detailed" {
      %detailed = flow.call @detailed(%question) : (!flow.text) -> !flow.text
      flow.yield %detailed : !flow.text
    }
    "2 generate + refined program" {
      %short1 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %short2 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %refined = flow.call @refine(%question, %program) : (!flow.text, !flow.text) -> !flow.text
      %best = flow.join select(%short1, %short2, %refined) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "2 generate + program" {
      %short1 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %short2 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%short1, %short2, %program) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "2 generate" {
      %short1 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %short2 = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%short1, %short2) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "generate + refined program" {
      %short = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %refined = flow.call @refine(%question, %program) : (!flow.text, !flow.text) -> !flow.text
      %best = flow.join select(%short, %refined) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "generate + program" {
      %short = flow.call @generate(%question) : (!flow.text) -> !flow.text
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%short, %program) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "generate" {
      %short = flow.call @generate(%question) : (!flow.text) -> !flow.text
      flow.yield %short : !flow.text
    }
    "refined program" {
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      %refined = flow.call @refine(%question, %program) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %refined : !flow.text
    }
    "program" {
      %program = flow.call @programmer(%question) : (!flow.text) -> !flow.text
      flow.yield %program : !flow.text
    }
  %answer = flow.call @extract(%solution) : (!flow.text) -> !flow.text
  flow.return %answer : !flow.text
}
