# Everything that a person does here. `make` alone lists it. Needs Python 3.11 or newer, make and git.

PYTHON ?= python3
BIN := .venv/bin
# By its path: an active virtual environment of the user's is left alone.
UV = $(BIN)/uv --quiet --no-progress
INTO = --python $(BIN)/python

# uv keeps its cache in HOME; where HOME cannot be written (a service account, say), beside the packages.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export UV_CACHE_DIR := $(CURDIR)/.venv/cache
endif

# The system's certificates, where there are any: a company's proxy is known to them.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= true
endif

# Every setting may be in `.env`, not only those of deployments/server/environment.py. The environment wins.
WITH_ENV_FILE = $(if $(wildcard .env),$(BIN)/dotenv run --no-override --)

# What runs on this machine only leaves the user's own Prefect profile alone, and sends no usage figures.
demo up test test-all browser unit fault-test chaos bench: export PREFECT_HOME := $(CURDIR)/.venv/prefect
demo up test test-all browser unit fault-test chaos bench: export DO_NOT_TRACK := 1
# glibc overwrites memory that is given back: who still reads it, in FFmpeg or elsewhere, crashes here and not in use.
test test-all browser unit fault-test chaos: export MALLOC_PERTURB_ := 165

.DEFAULT_GOAL := help
.PHONY: help demo up test test-all browser unit fault-test chaos bench lint typecheck doctor deploy migrate requirements config-docs clean \
	crash types register

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

demo: .venv/.local ## Run one job from start to end on this machine [VIDEO=file] [REQUEST=file.json]
	@$(BIN)/python -m deployments.local demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(REQUEST),--request "$(REQUEST)")

up: .venv/.local ## Start the local stack and keep it running
	@$(WITH_ENV_FILE) $(BIN)/python -m deployments.local up $(ARGS)

# Three processes, since a layer that shares a stack waits for it half of the time (tests/conftest.py).
PYTEST_PARALLEL = $(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

test: .venv/.dev ## Run every test that needs nothing but this [ARGS="-k word"]
	@$(PYTEST_PARALLEL) -m "not browser and not fault_injection" $(ARGS)

# One run of everything: tests in a browser use the stacks that run anyway, and the fault tests fill the others' waits.
test-all: .venv/.dev ## Run all tests: those of make test, in a browser, and the short fault-test
	@FAULT_TEST_CASES=short $(PYTEST_PARALLEL) $(ARGS)

browser: .venv/.dev ## Run the tests that need a browser (Debian: apt-get install chromium)
	@$(BIN)/pytest -m browser $(ARGS)

# Schemathesis, which only tests of the API use, takes a second to load as a plugin.
unit: .venv/.dev ## Run the tests of the core: seconds
	@$(BIN)/pytest -p no:schemathesis tests/unit $(ARGS)

# All cases take more than an hour on two cores, and write docs/fault-matrix.md. CASES=words runs the kinds of jobs with
# these words in their names, and replaces only their rows. CASES=short takes six minutes: each fault point of a job with
# areas and of a lecture once, by few jobs that are killed again and again.
fault-test: .venv/.dev ## Kill the real processes at every fault point; check that every job recovers [CASES=short|words]
	@FAULT_TEST_CASES='$(CASES)' $(BIN)/pytest -n 0 --capture=no -m fault_injection tests/fault_injection $(ARGS)

chaos: .venv/.dev ## Run many jobs while everything is killed at random [JOBS=200 MINUTES=10 SEED=7]
	@$(BIN)/python -m tests.chaos $(if $(JOBS),--jobs $(JOBS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

# All parts take hours on two cores; the short form of a to e takes four minutes. PROFILE=1 leaves worker.prof.
# The API (f) and lectures (g, h) have pages of their own: docs/benchmarks-api.md, docs/benchmarks-lecture.md.
bench: .venv/.bench ## Measure, and write docs/benchmarks.md [FORM=short PART=a PROFILE=1]
	@$(BIN)/python -m tests.benchmarks $(if $(FORM),--form $(FORM)) $(if $(PART),--part $(PART)) $(if $(PROFILE),--profile worker.prof)

lint: .venv/.dev ## Check format and style
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

typecheck: .venv/.dev ## Check types
	@$(BIN)/mypy

doctor: .venv/.local ## Check the configuration, and say in plain words what is missing
	@$(WITH_ENV_FILE) $(BIN)/python -m deployments.server.doctor $(ARGS)

deploy: .venv/.local ## Bring the Prefect server to the wanted state
	@$(WITH_ENV_FILE) $(BIN)/python -m deployments.server.register

migrate: .venv/.local ## Bring the job database to the newest schema
	@$(WITH_ENV_FILE) $(BIN)/python -m videojobs.db.migrate

requirements: .venv/.uv ## Pin all dependencies again, with hashes [ARGS=--upgrade]
	@$(call compile,dev,--extra local --extra lecture --extra whisper --extra dev)
	@$(call compile,bench,--extra local --extra lecture --extra whisper --extra dev --extra bench --constraints requirements/dev.txt)
	@$(call compile,local,--extra local --extra lecture --constraints requirements/dev.txt)
	@$(call compile,production,--extra lecture --constraints requirements/local.txt)

config-docs: .venv/.dev ## Write docs/configuration.md from the settings models
	@$(BIN)/python -m deployments.server.configuration_docs

clean: ## Delete the local stack's data, and the tools' caches
	@if [ -e .venv/.local ]; then $(BIN)/python -m deployments.local clean; fi
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

# The names of before.
crash: fault-test
types: typecheck
register: deploy

compile = $(UV) pip compile --universal --generate-hashes --python-version 3.11 pyproject.toml $(2) $(ARGS) \
	--custom-compile-command "make requirements" --output-file requirements/$(1).txt
sync = $(UV) pip sync $(INTO) --require-hashes requirements/$(1).txt && \
	$(UV) pip install $(INTO) --no-deps --editable .

# The test environment holds all of the local one: once it is there, it is the one to keep up to date.
ifeq ($(wildcard .venv/.dev .venv/.bench),)
.venv/.local: requirements/local.txt pyproject.toml .venv/.uv
	@echo "Installing the packages into .venv ..."
	@$(call sync,local)
	@touch $@
else
.venv/.local: .venv/.dev
	@touch $@
endif

# As above: what the benchmarks need holds all of the test environment.
ifeq ($(wildcard .venv/.bench),)
.venv/.dev: requirements/dev.txt pyproject.toml .venv/.uv
	@echo "Installing the packages and the test tools into .venv ..."
	@$(call sync,dev)
	@touch $@
else
.venv/.dev: .venv/.bench
	@touch $@
endif

.venv/.bench: requirements/bench.txt pyproject.toml .venv/.uv
	@echo "Installing the packages, the test tools and the benchmarks' rivals into .venv ..."
	@$(call sync,bench)
	@touch $@

.venv/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed. If it has another name here: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "This Python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r requirements/uv.txt
	@touch $@
