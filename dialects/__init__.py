"""flowir.dialects; see the module list for what is here."""

if __name__ != "flowir.dialects":
    raise ImportError(
        "import flowir.dialects, not dialects: the same file under two names is two sets of classes"
    )
