"""Configuration of lit: `lit lit_tests` runs every RUN line with the interpreter lit runs on."""

import os
import sys

import lit.formats

config.name = "flowir"  # noqa: F821
config.test_format = lit.formats.ShTest()  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.test_source_root = os.path.dirname(__file__)  # noqa: F821
config.test_exec_root = os.path.join(config.test_source_root, "Output")  # noqa: F821
config.environment["PATH"] = os.pathsep.join(  # noqa: F821
    (os.path.dirname(sys.executable), os.environ["PATH"])
)
