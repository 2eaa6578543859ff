"""Points of a front, run end to end on held-out data: predicted beside measured."""
