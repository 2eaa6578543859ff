"""Plans of tool calls that a model writes: read as they stream, checked, and ready to run."""
