"""Pages for people: a front to choose from, and a run of primitives on its engines."""
