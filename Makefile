# Each target does its own set-up: a machine with Python 3.11 or newer and `make` is enough.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all lint bench clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(BIN)/flowir demo

# The numbers are small: one thread each is faster than several that wait for each other.
test test-all: export OMP_NUM_THREADS = 1
test: lint
	$(BIN)/lit --order=lexical -q lit_tests
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-all: export FLOWIR_EXPLORE = 1
test-all: lint .venv/.ready-ray
	$(BIN)/lit --order=lexical -q lit_tests
	$(BIN)/pytest -n 2 --dist worksteal

lint: $(READY) build/types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# DATA is the folder of measured data; a benchmark that cannot do without it says so.
bench: export OMP_NUM_THREADS = 1
bench: .venv/.ready-bench
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

.venv/.ready-bench: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	@touch $@

.venv/.ready-ray: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[ray]'
	@touch $@

# torch comes first, by itself: asked for without its exact version it brings gigabytes along.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "flowir needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

# The packages as they are installed: the top-level folders dialects, passes and backends belong
# inside flowir, and type checkers believe the folders.
build/types: $(wildcard flowir/*) Makefile
	@rm -rf $@ && mkdir -p $@/flowir
	@ln -s $(addprefix ../../../,$(filter-out %/__pycache__,$(wildcard flowir/*))) $@/flowir/
	@ln -s ../../../dialects ../../../passes ../../../backends $@/flowir/

clean:
	rm -rf build dist out .mypy_cache .pytest_cache .ruff_cache lit_tests/Output
