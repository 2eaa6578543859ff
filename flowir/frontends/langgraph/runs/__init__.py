"""Recorded runs: what they leave behind, and what is estimated from them."""
