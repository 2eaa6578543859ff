"""Passes of `flowir-opt`, one per file, named as on the command line."""

if __name__ != "flowir.passes":
    raise ImportError(
        "import flowir.passes, not passes: the same file under two names is two sets of classes"
    )
