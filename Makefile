# Each target does its own set-up: a machine with Python 3.11 or newer and `make` is enough.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

# uv takes a tenth of the time that pip takes; where it cannot be had, or knows of no index, pip
# does the same. What is compiled to bytecode is what is imported. torch comes first, by itself and
# by pip: asked for without its exact version it brings gigabytes along, and pip may have been told
# where to find a small build.
PIP = $(BIN)/python -m pip install -q --no-compile -c constraints.txt
INSTALL = $(BIN)/python -m uv pip install -q -c constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo ir test test-all test-pythons coverage lint docs hooks bench clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(BIN)/flowir demo

# The numbers are small: one thread each is faster than several that wait for each other.
test test-all test-pythons coverage: export OMP_NUM_THREADS = 1
test: $(READY)
	@$(MAKE) --no-print-directory -j 2 lint ir
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-all: export FLOWIR_EXPLORE = 1
test-all: lint .venv/.ready-all ir
	$(BIN)/pytest -n 2 --dist worksteal

# What the tests of `make test` reach, by file; html is in build/coverage.
coverage: $(READY)
	@mkdir -p build
	COVERAGE_FILE=build/.coverage $(BIN)/pytest -n 2 --dist worksteal -m "not slow" \
		--cov --cov-report=term --cov-report=html:build/coverage

# The tests that fit no model on every other Python that is installed, here or by pyenv, each in an
# environment of its own. torch is left out, whose builds for those may weigh gigabytes.
PYTHONS ?= 3.12 3.13
PORTABLE ?= $(addprefix tests/,dialects calculus passes workflow frontends plan prim scheduling serving)
test-pythons: $(READY)
	@mkdir -p build && echo 'torch; python_version < "3"' > build/without-torch.txt
	@for v in $(PYTHONS); do \
		found=; for c in python$$v $$(ls -d ~/.pyenv/versions/$$v.*/bin/python 2>/dev/null); do \
			$$c -c '' 2>/dev/null && found=$$c; done; \
		test -n "$$found" || { echo "Python $$v is not installed; it is left out"; continue; }; \
		env=build/python$$v; echo "== $$($$found --version)"; \
		test -x $$env/bin/python || $$found -m venv $$env || exit 1; \
		$(INSTALL) --python $$env/bin/python --overrides build/without-torch.txt -e '.[dev]' \
			&& $$env/bin/pytest -n 2 --dist worksteal -m "not slow" $(PORTABLE) || exit 1; \
	done

# Strictly: a link that leads nowhere is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Before every commit, what `make lint` asks of the files that changed.
hooks: $(READY)
	$(BIN)/pre-commit install

ir: $(READY)
	$(BIN)/lit --order=lexical -q lit_tests

lint: $(READY) build/types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# DATA is the folder of measured data; a benchmark that cannot do without it says so.
bench: export OMP_NUM_THREADS = 1
bench: .venv/.ready-bench
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

.venv/.ready-bench: $(READY)
	$(INSTALL) -e '.[bench]' || $(PIP) -e '.[bench]'
	@touch $@

.venv/.ready-all: $(READY)
	$(INSTALL) -e '.[browser,ray,sentence-transformers]' || $(PIP) -e '.[browser,ray,sentence-transformers]'
	@touch $@

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "flowir needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) $(TORCH)
	$(PIP) uv || true
	$(INSTALL) -e '.[dev]' || $(PIP) -e '.[dev]'
	@touch $@

# The packages as they are installed: the top-level folders dialects, passes and backends belong
# inside flowir, and type checkers believe the folders.
build/types: $(wildcard flowir/*) Makefile
	@rm -rf $@ && mkdir -p $@/flowir
	@ln -s $(addprefix ../../../,$(filter-out %/__pycache__,$(wildcard flowir/*))) $@/flowir/
	@ln -s ../../../dialects ../../../passes ../../../backends $@/flowir/

clean:
	rm -rf build dist out .mypy_cache .pytest_cache .ruff_cache lit_tests/Output
