// FlowCompile's HotpotQA workflow (arXiv 2605.13647): up to three answers, an ensemble, a formatter
// that may be left out: 6 structures. Observations: synthetic, see examples/synthesise.py.

flow.agent @answer_generate
  system "Answer the question from the passages, thinking step by step."
  prompt "{question}"
  metric "token F1"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [50, 200, 800, 4000]>
  baseline <"qwen3-14b", budget = 4000>

flow.agent @sc_ensemble
  system "Several answers are given. Answer with the number of the best one."
  prompt "{question}\n\n{candidates}"
  metric "picks a right candidate"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [50, 200, 800, 4000]>
  baseline <"qwen3-14b", budget = 4000>

flow.agent @format_answer
  system "Give the answer alone, as short as it can be."
  prompt "{question}\n\n{answer}"
  metric "token F1"
  space <models = ["qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-14b"], budgets = [50, 200, 800, 4000]>
  baseline <"qwen3-14b", budget = 4000>

flow.workflow @hotpotqa(%question: !flow.text) -> !flow.text {
  %answer = flow.alternatives "structure" -> !flow.text
    "3 answers, formatted" {
      %answer1 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %answer2 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %answer3 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%answer1, %answer2, %answer3) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      %formatted = flow.call @format_answer(%question, %best) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %formatted : !flow.text
    }
    "2 answers, formatted" {
      %answer1 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %answer2 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%answer1, %answer2) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      %formatted = flow.call @format_answer(%question, %best) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %formatted : !flow.text
    }
    "1 answer, formatted" {
      %answer1 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %formatted = flow.call @format_answer(%question, %answer1) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %formatted : !flow.text
    }
    "3 answers" {
      %answer1 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %answer2 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %answer3 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%answer1, %answer2, %answer3) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "2 answers" {
      %answer1 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %answer2 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      %best = flow.join select(%answer1, %answer2) by @sc_ensemble(%question : !flow.text)
        : (!flow.text, !flow.text) -> !flow.text
      flow.yield %best : !flow.text
    }
    "1 answer" {
      %answer1 = flow.call @answer_generate(%question) : (!flow.text) -> !flow.text
      flow.yield %answer1 : !flow.text
    }
  flow.return %answer : !flow.text
}
