// The question of market_cap.py as a workflow: planner and joiner are agents with models to choose from.

flow.agent @planner
  prompt "Plan calls of tools that answer the question. One call a line, numbered, such as 2. tool($1.value); the last line is join().\n\nTools:\n{tools}\n\nQuestion: {question}\n\n{history}"
  space <models = ["gpt-4o-mini", "gpt-4o"]>
flow.agent @joiner
  prompt "Write Action: Finish(the answer) or Action: Replan(what is missing).\n\nQuestion: {question}\n\n{history}"
  space <models = ["gpt-4o-mini", "gpt-4o"]>
flow.tool @search impl "flowir.examples.plans.market_cap:search" takes (company: text) -> !flow.json
  effect reads latency 0.61 concurrency 8 timeout 10.0 about "a company's market capitalisation: company, value, unit"
flow.tool @ratio impl "flowir.examples.plans.market_cap:ratio" takes (a: number, b: number) -> !flow.json
  effect pure about "a divided by b"

flow.workflow @market_cap(%question: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@search, @ratio] max_replans 2 -> !flow.text
    expects <width = {1: 0.5, 2: 0.5}, depth = 2, replan = 0.1>
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %question, %history) : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %answer : !flow.text
}
