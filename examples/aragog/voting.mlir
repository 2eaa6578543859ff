// Voting, one of Aragog's four workflows (arXiv 2511.20975): {V1, V2, V3, V4} → Aggregator.
// Each voter is a decision of its own: 3⁵ = 243 configurations. The four run side by side and are
// scheduled one by one, from one set: what the first takes may close choices of the second. Prompts
// are ours.

flow.agent @voter
  system "Answer the question, thinking step by step."
  prompt "{question}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @aggregator
  system "Several answers are given. Answer with the number of the best one."
  prompt "{question}\n\n{candidates}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.workflow @voting(%question: !flow.text) -> !flow.text {
  %v1 = flow.call @voter(%question) as "1" : (!flow.text) -> !flow.text
  %v2 = flow.call @voter(%question) as "2" : (!flow.text) -> !flow.text
  %v3 = flow.call @voter(%question) as "3" : (!flow.text) -> !flow.text
  %v4 = flow.call @voter(%question) as "4" : (!flow.text) -> !flow.text
  %best = flow.join select(%v1, %v2, %v3, %v4) by @aggregator(%question : !flow.text)
    : (!flow.text, !flow.text, !flow.text, !flow.text) -> !flow.text
  flow.return %best : !flow.text
}
