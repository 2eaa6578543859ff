// Decomposition, one of Aragog's four workflows (arXiv 2511.20975):
// Decomposer → {Solver_i …} → Aggregator. The parts are solved side by side, all by one choice of
// model: three stages of three models, 27 configurations. Prompts are ours.

flow.agent @decomposer
  system "Split the problem into at most four parts that can be solved one by one, a line for each."
  prompt "{problem}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @solver
  system "Solve this part of a problem."
  prompt "{part}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @aggregator
  system "Put the solutions of the parts together into one answer."
  prompt "{problem}\n\n{solutions}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.tool @lines impl "flowir.examples.aragog.tools:lines" -> !flow.list<!flow.text> effect pure

flow.workflow @decomposition(%problem: !flow.text) -> !flow.text {
  %plan = flow.call @decomposer(%problem) : (!flow.text) -> !flow.text
  %parts = flow.call @lines(%plan) : (!flow.text) -> !flow.list<!flow.text>
  %solutions = flow.map(%part) in %parts : !flow.list<!flow.text> max 4 -> !flow.list<!flow.text> {
    %solved = flow.call @solver(%part) : (!flow.text) -> !flow.text
    flow.yield %solved : !flow.text
  }
  %answer = flow.call @aggregator(%problem, %solutions)
    : (!flow.text, !flow.list<!flow.text>) -> !flow.text
  flow.return %answer : !flow.text
}
