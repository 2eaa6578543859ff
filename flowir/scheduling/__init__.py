"""Scheduling of primitives: what is ready, and what of it each engine runs next."""
