"""The profiler: makes the calls that observations are of, judges and stores them."""
