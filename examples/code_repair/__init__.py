"""Complete a Python function; repair by retrying until the visible tests pass."""
