# make demo | test | soak | chaos | lint | check | bench | bench-large | lock | clean. The first of them makes .venv from requirements.lock.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE := tests/node/node_modules/.installed
SUPPORTED := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3; do "$$python" -c "$(SUPPORTED)" 2>/dev/null && echo "$$python" && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

# Thousands of processes read the byte code that the first one writes, whatever the caller's environment says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test soak lint check chaos bench bench-large lock clean

demo: $(STAMP)
	@$(BIN)/multiwave demo

# In memory where there is room: thousands of small databases wait for the disk otherwise.
MEMORY := $(shell [ "$$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 6000000 ] 2>/dev/null && echo TMPDIR=/dev/shm)

test: $(STAMP) $(NODE)
	@echo "== pytest"
	@$(MEMORY) $(BIN)/python -m pytest $(ARGS)

# The same laws for longer: a month of kills, hundreds of rounds. An hour or so.
soak: $(STAMP)
	@$(BIN)/python -m pytest -m soak $(ARGS)

lint: $(STAMP)
	@echo "== ruff check"
	@$(BIN)/ruff check
	@echo "== ruff format"
	@$(BIN)/ruff format --check
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== lint-imports"
	@$(BIN)/lint-imports --no-logo

check: lint test

# Real workers over a real sink, killed again and again: make chaos RUNS=100 [DATABASE=sqlite|postgresql] [PREFECT=always|never] [SEED=7].
RUNS ?= 10
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos --runs $(RUNS) $(if $(DATABASE),--database $(DATABASE)) $(if $(PREFECT),--prefect $(PREFECT)) $(if $(SEED),--seed $(SEED))

bench: $(STAMP)
	@$(BIN)/python -m bench $(ARGS)

# One campaign over a million members and over ten million: hours, and 30 GB of disk.
bench-large: $(STAMP)
	@$(BIN)/python -m bench whole_campaign --scale 10 --keep

# --no-deps: the lock is complete, and pip's hash mode refuses the extra that Prefect asks of SQLAlchemy.
$(STAMP): requirements.lock pyproject.toml
	@{ [ -n "$(PYTHON)" ] && $(PYTHON) -c "$(SUPPORTED)"; } 2>/dev/null || { \
	echo "multiwave needs Python 3.11 or newer with its venv module; install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "== making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "$(VENV) cannot be made; run: make clean, then this again" >&2; exit 1; }
	@echo "== installing $$(grep -c '==' requirements.lock) packages from requirements.lock (a minute or two)"
	@$(PIP) --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true # on all cores; some packages carry files of other Pythons
	@echo "== installing multiwave itself"
	@$(PIP) --no-build-isolation -e .
	@touch $@

# Servers that only the tests run: an SMSC, a push service that decrypts, a driver for Firefox.
$(NODE): tests/node/package-lock.json
	@command -v npm >/dev/null || { echo "the tests need Node.js with npm (Debian: apt-get install nodejs npm)" >&2; exit 1; }
	@echo "== installing the test servers of tests/node"
	@cd tests/node && npm ci --no-audit --no-fund --ignore-scripts --silent
	@touch $@

# Resolves from pyproject.toml alone, so that a broken lock can always be made anew.
lock:
	@echo "== resolving pyproject.toml into requirements.lock"
	@set -e; home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	$(PYTHON) -m venv "$$home"; \
	"$$home/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	"$$home/bin/uv" pip compile pyproject.toml --all-extras --generate-hashes --python-version 3.11 --universal --no-header --quiet -o requirements.lock

clean:
	@rm -rf $(VENV) tests/node/node_modules bench/.peers-venv build demo-home *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
