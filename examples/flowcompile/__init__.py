"""The three workflows of FlowCompile (arXiv 2605.13647)."""
