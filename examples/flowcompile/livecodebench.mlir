// FlowCompile's LiveCodeBench workflow (arXiv 2605.13647): up to three programs, an ensemble, and up
// to three repairs while the public tests fail: 12 structures. The tests are taken to be perfect, as
// the published formula does. Observations: synthetic, see examples/synthesise.py.

flow.agent @code_generate
  system "Write a Python program that solves the task. Answer with one fenced code block."
  prompt "{task}"
  parser "code"
  metric "passes the hidden tests"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 1500, 5000, 16000]>
  baseline <"qwen3-14b", budget = 16000>

flow.agent @sc_ensemble
  system "Several programs are given. Answer with the number of the best one."
  prompt "{task}\n\n{candidates}"
  metric "picks a right candidate"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 1500, 5000, 16000]>
  baseline <"qwen3-14b", budget = 16000>

flow.agent @fix
  system "The program fails its tests. Answer with a mended one in a fenced code block."
  prompt "{task}\n\n{program}\n\n{feedback}"
  parser "code"
  metric "passes the hidden tests"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [200, 1500, 5000, 16000]>
  baseline <"qwen3-14b", budget = 16000>

flow.tool @test impl "flowir.examples.code_repair.tools:visible_tests" -> !flow.bool effect pure latency 0.2
  accepts <right = 1.0, wrong = 0.0>

flow.workflow @livecodebench(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "structure" -> !flow.text
    "3 programs, 3 repairs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program3 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2, %program3) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %best : !flow.text max 3
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "3 programs, 2 repairs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program3 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2, %program3) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %best : !flow.text max 2
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "3 programs, 1 repair" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program3 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2, %program3) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %best : !flow.text max 1
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "3 programs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program3 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2, %program3) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "2 programs, 3 repairs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %best : !flow.text max 3
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "2 programs, 2 repairs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %best : !flow.text max 2
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "2 programs, 1 repair" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %best : !flow.text max 1
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "2 programs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %program2 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %best = flow.join select(%program1, %program2) by @sc_ensemble(%task : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "1 program, 3 repairs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %program1 : !flow.text max 3
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "1 program, 2 repairs" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %program1 : !flow.text max 2
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "1 program, 1 repair" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      %repaired = flow.refine(%program, %feedback) from %program1 : !flow.text max 1
          until @test(%task : !flow.text) {
        %fixed = flow.call @fix(%task, %program, %feedback) : (!flow.text, !flow.text, !flow.text) -> !flow.text
        flow.yield %fixed : !flow.text
      }
      flow.yield %repaired : !flow.text
    }
    "1 program" {
      %program1 = flow.call @code_generate(%task) : (!flow.text) -> !flow.text
      flow.yield %program1 : !flow.text
    }
  flow.return %answer : !flow.text
}
