# Python 3.11, make and the package registry are all that this needs; `make help` lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PORT ?= 8000
export PORT
TEST_DATABASE_URL ?= postgresql://postgres@127.0.0.1:5432/postgres
export TEST_DATABASE_URL

.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/runs var/static/done  ## set up everything once, then serve a trained demo on PORT (default 8000)
	@exec $(BIN)/python manage.py serve --demo --port $(PORT)

test: .venv/tests var/static/done  ## set up and run every test, on SQLite and, where reachable, on PostgreSQL
	@$(BIN)/python -m tests.suite

test-sqlite: .venv/tests var/static/done  ## the first half of `make test`, without a browser
	$(BIN)/python -m pytest --ignore tests/functional/browser

test-postgresql: .venv/tests var/static/done  ## the other half, with the tests that start servers of both kinds
	CLFSITE_REQUIRE=postgresql,redis DATABASE_URL=$(TEST_DATABASE_URL) $(BIN)/python -m pytest -m "database and not faults"
	CLFSITE_REQUIRE=postgresql,redis $(BIN)/python -m pytest tests/functional --ignore tests/functional/browser

test-browser: .venv/tests var/static/done  ## the pages in a real browser
	CLFSITE_REQUIRE=browser $(BIN)/python -m pytest tests/functional/browser

test-pgbouncer: .venv/tests  ## the tests on PostgreSQL through a pooler in transaction mode, as Neon has one
	$(BIN)/python -m tests.support.pooler

prove: .venv/tests var/static/done  ## kill, freeze and flush what the site runs on, and see that nothing is lost (up to 10 minutes)
	@$(BIN)/python -m tests.prove

check: .venv/tests  ## lint, types, import rules, migrations, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint templates --check --lint

check-ops: .venv/tests  ## containers, alert rules, dashboards, blueprint, workflows, production settings
	@$(BIN)/python -m tests.ops

audit: .venv/tests  ## look the pinned packages up among those with known faults
	@$(BIN)/python -m tests.ops.audit

bench: .venv/tests var/static/done  ## measure training and serving, and print the figures
	$(BIN)/python -m tests.bench

bench-train: .venv/tests  ## compare searches with scikit-learn's plain grid search (minutes, on a quiet machine)
	@$(BIN)/python -W ignore -m tests.bench.training

bench-serve: .venv/tests var/static/done  ## compare serving with FastAPI and SQLAlchemy (wrk, PostgreSQL; SOAK=1 for 200,000 requests)
	@$(BIN)/python -W ignore -m tests.bench.serving $(if $(SOAK),--soak)

bench-batch: .venv/tests var/static/done  ## score a CSV of 300,000 rows and one of ten times as many, and tell rows/s and memory (minutes)
	@$(BIN)/python -W ignore -m tests.bench.batches

bench-tables: .venv/tests  ## train on two dozen tables that nothing here was made for (ten minutes)
	@$(BIN)/python -W ignore -m tests.bench.tables

bench-pages: .venv/tests var/static/done  ## time the pages over 5 million predictions in PostgreSQL (BENCH_DATABASE_URL, an empty database)
	@test -n "$(BENCH_DATABASE_URL)" || { echo "BENCH_DATABASE_URL has to name a PostgreSQL database: empty, or filled by an earlier call" >&2; exit 1; }
	@DATABASE_URL=$(BENCH_DATABASE_URL) CLFSITE_STATE_DIR=var/bench WANDB_MODE=disabled $(BIN)/python -W ignore -m tests.bench.seed --keep
	@DATABASE_URL=$(BENCH_DATABASE_URL) CLFSITE_STATE_DIR=var/bench $(BIN)/python -W ignore -m tests.bench.pages

screenshots: .venv/tests var/static/done  ## take pictures of every page into var/screenshots, light and dark, wide and narrow
	@$(BIN)/python -m tests.screenshots

fmt: .venv/tests  ## format Python and templates
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	-$(BIN)/djlint templates --reformat --quiet

settings: .venv/tests  ## write the documents' list of settings from clfsite/env.py
	@$(BIN)/python -m tests.settings

lock: .venv/tests  ## pin requirements*.in anew, with hashes
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 requirements-dev.in -o requirements-dev.txt

clean:  ## remove the virtual environment and everything the site has stored
	@printf 'This deletes .venv and var (database, datasets, models). Type yes: ' && read answer && [ "$$answer" = yes ]
	rm -rf .venv var

.venv/made:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 was not found (tried '$(PYTHON)'); install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making the virtual environment .venv"
	@$(PYTHON) -m venv .venv && touch $@

.venv/runs: .venv/made requirements.txt
	@echo "Installing what the site runs on (one to two minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt && touch $@

.venv/tests: .venv/runs requirements-dev.txt
	@echo "Installing what tests and checks need"
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt && touch $@

var/static/done: .venv/runs $(shell find static -type f)
	@echo "Collecting static files"
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0 && touch $@

.PHONY: bench-batch help run test test-sqlite test-postgresql test-browser test-pgbouncer prove check check-ops audit \
	bench bench-train bench-serve bench-pages bench-tables screenshots fmt settings lock clean
