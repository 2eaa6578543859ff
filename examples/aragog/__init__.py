"""The four workflows of the Aragog paper (arXiv 2511.20975)."""
