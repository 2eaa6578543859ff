// Self-refine, one of Aragog's four workflows (arXiv 2511.20975): Gen → Critic → Refiner.
// Three stages of three models: 27 configurations. Prompts are ours.

flow.agent @gen
  system "Solve the problem, thinking step by step."
  prompt "{problem}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @critic
  system "Name every mistake in the solution, or say that there is none."
  prompt "{problem}\n\n{solution}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @refiner
  system "Give the solution again, without the mistakes that were named."
  prompt "{problem}\n\n{solution}\n\n{critique}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.workflow @self_refine(%problem: !flow.text) -> !flow.text {
  %solution = flow.call @gen(%problem) : (!flow.text) -> !flow.text
  %critique = flow.call @critic(%problem, %solution) : (!flow.text, !flow.text) -> !flow.text
  %refined = flow.call @refiner(%problem, %solution, %critique)
    : (!flow.text, !flow.text, !flow.text) -> !flow.text
  flow.return %refined : !flow.text
}
