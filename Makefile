# Everything a fresh checkout needs: Python 3.10 or later, git and make.
# `make demo` shows what bis does, `make test` checks it. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without bytecode caches every start compiles again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-slow test-failed lint format lock docs clean

help:
	@echo "make demo   run the tutorial project and show its result"
	@echo "make test   run the tests (make test-slow: the slow ones too)"
	@echo "make lint   formatting, lint, types, import rules"
	@echo "make docs   write the reference pages from the code"
	@echo "make lock   choose the newest versions that work, with their hashes"

$(VENV)/ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "bis needs Python 3.10 or later; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/ready
	$(BIN)/bis run examples/iris -P learning_rate=0.05 -P num_epochs=20
	$(BIN)/bis list -n 5

test: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=term:skip-covered $(TESTS)

test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 -m slow $(TESTS)

test-failed: $(VENV)/ready
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(TESTS)

lint: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:
	$(BIN)/uv pip compile pyproject.toml --group dev --extra cloud --extra server --universal --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --python-version 3.10 -o constraints.txt $(LOCK_OPTIONS)

docs: $(VENV)/ready
	$(BIN)/python docs/reference.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .coverage*
