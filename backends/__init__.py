"""flowir.backends; see the module list for what is here."""

if __name__ != "flowir.backends":
    raise ImportError(
        "import flowir.backends, not backends: the same file under two names is two sets of classes"
    )
