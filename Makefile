# Python 3.11 to 3.13, make and the package registry are all that this needs; `make help` lists the targets.
# PYTHON=python3.12 chooses the Python; without it an environment that is there stays, and a new one gets the newest that
# works (tools/find-python). VENV names another folder for the environment, to keep several.
PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
export PORT
TEST_DATABASE_URL ?= postgresql://postgres@127.0.0.1:5432/postgres
export TEST_DATABASE_URL
# Where it is set, every process would compile some thousand files of the packages again, five seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# what tests need and their clients are installed side by side
MAKEFLAGS += --jobs=2

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/runs var/static/done  ## set up everything and serve a trained demo on PORT (default 8000)
	@exec $(BIN)/python manage.py serve --demo --port $(PORT)

test: $(VENV)/tests $(VENV)-clients/done var/static/done  ## run all tests, on PostgreSQL if it is running, and the database tests on SQLite
	@$(BIN)/python -m tests.run all

test-unit: $(VENV)/tests  ## run the unit tests, without a database (a minute and a half)
	@$(BIN)/python -m tests.run unit

test-sqlite: $(VENV)/tests $(VENV)-clients/done var/static/done  ## run all tests on SQLite, without a browser
	$(BIN)/python -m pytest --ignore tests/functional/browser

test-postgresql: $(VENV)/tests $(VENV)-clients/done var/static/done  ## run all tests on PostgreSQL, without a browser
	CLFSITE_REQUIRE=postgresql,redis DATABASE_URL=$(TEST_DATABASE_URL) $(BIN)/python -m pytest --ignore tests/functional/browser

test-browser: $(VENV)/tests var/static/done  ## run the browser tests
	CLFSITE_REQUIRE=browser $(BIN)/python -m pytest tests/functional/browser

test-pgbouncer: $(VENV)/tests  ## run the tests on PostgreSQL through a pooler in transaction mode, like Neon's
	$(BIN)/python -m tests.support.pooler

prove: $(VENV)/tests var/static/done  ## kill, freeze and flush services of the site and check that nothing is lost (up to 15 minutes)
	@$(BIN)/python -m tests.run faults

coverage: $(VENV)/tests $(VENV)-clients/done var/static/done  ## run all tests and list the lines and branches that they do not reach
	@$(BIN)/python -m tests.run coverage

mutants: $(VENV)/tests var/static/done  ## change the code at random places and list the changes that no test notices (half an hour)
	@$(BIN)/python -m tests.mutants

check: $(VENV)/tests  ## lint, types, import rules, migrations, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint templates --check --lint

check-ops: $(VENV)/tests  ## containers, alert rules, dashboards, blueprint, workflows, production settings
	@$(BIN)/python -m tests.ops

audit: $(VENV)/tests  ## check the pinned packages for known vulnerabilities
	@$(BIN)/python -m tests.ops.audit

bench: $(VENV)/tests var/static/done  ## measure reading, training and serving, and print the figures
	$(BIN)/python -m tests.bench

bench-train: $(VENV)/tests  ## compare searches with scikit-learn's plain grid search (minutes, on a quiet machine)
	@$(BIN)/python -W ignore -m tests.bench.training

bench-serve: $(VENV)/tests var/static/done  ## compare serving with FastAPI and SQLAlchemy (wrk, PostgreSQL; SOAK=1 for 200,000 requests)
	@$(BIN)/python -W ignore -m tests.bench.serving $(if $(SOAK),--soak)

bench-batch: $(VENV)/tests var/static/done  ## score a CSV of 300,000 rows and one of ten times as many, and report rows/s and memory (minutes)
	@$(BIN)/python -W ignore -m tests.bench.batches

bench-workers: $(VENV)/tests var/static/done  ## score a CSV with one worker and with several, and kill one at work (minutes)
	@$(BIN)/python -W ignore -m tests.bench.workers

bench-read: $(VENV)/tests  ## read a million rows, against pandas and cell by cell, and report rows/s and memory (minutes)
	@$(BIN)/python -W ignore -m tests.bench.reading

bench-tables: $(VENV)/tests  ## train on two dozen unrelated public tables (ten minutes)
	@$(BIN)/python -W ignore -m tests.bench.tables

bench-auto: $(VENV)/tests  ## compare a minute of auto with FLAML and AutoGluon on ten public tables (an hour; installs them into .venv-automl)
	@$(BIN)/python -W ignore -m tests.bench.auto

bench-portfolio: $(VENV)/tests  ## choose the settings that `auto` begins with, over 19 public tables (half an hour)
	@$(BIN)/python -W ignore -m tests.bench.portfolio

bench-estimates: $(VENV)/tests  ## compare the estimated time of runs with the actual one (ten minutes, on a quiet machine)
	@$(BIN)/python -W ignore -m tests.bench.estimates

bench-monitoring: $(VENV)/tests  ## draw thirteen weeks of predictions, and count what monitoring finds and where it is wrong (ten minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.bench.monitoring

bench-soak: $(VENV)/tests var/static/done  ## run everything at once for an hour, and report the memory of every process
	@$(BIN)/python -W ignore -m tests.bench.soak

bench-pages: $(VENV)/tests var/static/done  ## time the pages over 5 million predictions in PostgreSQL (BENCH_DATABASE_URL, an empty database)
	@test -n "$(BENCH_DATABASE_URL)" || { echo "BENCH_DATABASE_URL must name a PostgreSQL database that is empty or filled by an earlier call" >&2; exit 1; }
	@DATABASE_URL=$(BENCH_DATABASE_URL) CLFSITE_STATE_DIR=var/bench WANDB_MODE=disabled $(BIN)/python -W ignore -m tests.bench.seed --keep
	@DATABASE_URL=$(BENCH_DATABASE_URL) CLFSITE_STATE_DIR=var/bench $(BIN)/python -W ignore -m tests.bench.pages

screenshots: $(VENV)/tests var/static/done  ## take pictures of every page into var/screenshots, light and dark, wide and narrow
	@$(BIN)/python -m tests.screenshots

fmt: $(VENV)/tests  ## format Python and templates
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	-$(BIN)/djlint templates --reformat --quiet

settings: $(VENV)/tests  ## generate the list of settings in the documents from clfsite/env.py
	@$(BIN)/python -m tests.settings

lock: $(VENV)/runs  ## pin requirements*.in with hashes; UPGRADE=1: upgrade to the newest releases
	@for name in uv "" dev clients; do \
	  file=requirements$${name:+-$$name}; \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
	    $(if $(UPGRADE),--upgrade) $$file.in --output-file $$file.txt || exit 1; \
	done

clean:  ## delete the virtual environments and all data of the site
	@printf 'This deletes .venv* and var (database, datasets, models). Type yes: ' && read answer && [ "$$answer" = yes ]
	rm -rf .venv .venv-* var

$(VENV)/made: always
	@tools/make-environment $(VENV) $(PYTHON)

$(VENV)/runs: $(VENV)/made requirements.txt requirements-uv.txt
	@echo "Installing the packages of the site"
	@$(BIN)/python tools/install.py requirements.txt && touch $@

$(VENV)/tests: $(VENV)/runs requirements-dev.txt
	@echo "Installing the packages of tests and checks"
	@$(BIN)/python tools/install.py requirements-dev.txt && touch $@

# The tests of the clients are skipped where these cannot be installed.
$(VENV)-clients/done: $(VENV)/runs requirements-clients.txt
	@echo "Installing the clients for the tests of the serving protocols"
	@$(BIN)/python -m venv --clear --without-pip $(VENV)-clients
	@$(BIN)/python tools/install.py requirements-clients.txt --into $(VENV)-clients && touch $@ || \
	  { rm -rf $(VENV)-clients; echo "The clients could not be installed; their tests will be skipped"; }

var/static/done: $(VENV)/runs $(shell find static -type f)
	@echo "Collecting static files"
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0 && touch $@

.PHONY: always bench-batch bench-workers bench-read help run test test-unit coverage test-sqlite test-postgresql test-browser test-pgbouncer prove check check-ops audit \
	bench bench-train bench-serve bench-pages bench-soak bench-tables bench-estimates bench-monitoring mutants screenshots fmt settings lock clean
