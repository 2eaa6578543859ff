"""flowir.passes; see the module list for what is here."""

if __name__ != "flowir.passes":
    raise ImportError("import flowir.passes, not passes: the same file under two names is two sets of classes")
