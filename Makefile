# Every target sets up what it needs, from nothing but Python 3.11 or newer and the package index.

UV_VERSION := 0.13.8
UV := .tool/bin/uv
BIN := .venv/bin
TOOL_READY := .tool/.uv-$(UV_VERSION)
RUN_READY := .venv/.run-ready
DEV_READY := .venv/.dev-ready
BUILT_FROM := Makefile pyproject.toml uv.lock $(wildcard hatch_build.py tools/*.py src/kingpost/*/*.c)

# The lock decides what is installed, on every machine alike; no Python is downloaded.
unexport UV_FIND_LINKS UV_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL UV_DEFAULT_INDEX
unexport UV_PROJECT_ENVIRONMENT VIRTUAL_ENV PYTHONPATH PYTHONHOME
export UV_PYTHON_DOWNLOADS := never
# Commands start in a second or two where Python may keep what it has compiled.
unexport PYTHONDONTWRITEBYTECODE
SYNC := $(UV) sync --locked --inexact --python .tool/bin/python --extra train --extra oidc --extra workflows

export ONCE FULL DATA M
export CALLED_FROM := $(PWD)
MAKEFLAGS += --no-print-directory
# On every core; the tests of a file stay together, with the servers that they share.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile

# Turns ONCE, FULL and DATA into arguments. A relative DATA counts from where make was called.
ARGUMENTS = set --; \
	test -z "$$ONCE" || set -- "$$@" --once; \
	test -z "$$FULL" || set -- "$$@" --full; \
	if test -n "$$DATA"; then \
	    case "$$DATA" in /*) ;; *) test -e "$$DATA" || DATA="$$CALLED_FROM/$$DATA" ;; esac; \
	    test -e "$$DATA" || { echo "make: no file or folder $$DATA: check DATA=" >&2; exit 2; }; \
	    set -- "$$@" --data "$$DATA"; \
	fi

.PHONY: help setup demo evaluate bench soak test check check-style check-types check-imports \
	check-tests api-snapshot check-deploy client-types reference format clean install

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

install: $(RUN_READY)  ## make .venv with what a user needs: the command, training, sign-in, workflows

setup: $(DEV_READY)  ## make .venv with everything a developer needs

demo: $(RUN_READY)  ## card fraud from events to a running server [ONCE=1] [DATA=path]
	@$(ARGUMENTS); exec $(BIN)/python -m solutions.fraud.demo "$$@" $(ARGS)

evaluate: $(RUN_READY)  ## evaluate a solution: S=fraud DATA=path [ARGS="..."]
	@test -f "solutions/$(S)/evaluate.py" || \
	    { echo "make: S=$(S): give one of" $(patsubst solutions/%/evaluate.py,%,$(wildcard solutions/*/evaluate.py)) >&2; exit 2; }
	@$(ARGUMENTS); exec $(BIN)/python -m solutions.$(S).evaluate "$$@" --json $(ARGS)

bench: $(DEV_READY)  ## run a benchmark: B=name [FULL=1] [DATA=path] [ARGS="..."]
	@test -f "benchmarks/$(B).py" || \
	    { echo "make: B=$(B): give one of" $(patsubst benchmarks/%.py,%,$(wildcard benchmarks/[a-z]*.py)) >&2; exit 2; }
	@$(ARGUMENTS); UV="$$PWD/$(UV)" exec $(BIN)/python -m benchmarks.$(B) "$$@" $(ARGS)

soak: $(DEV_READY)  ## serve half of what it can for M minutes: errors, and memory over time
	@UV="$$PWD/$(UV)" exec $(BIN)/python -m benchmarks.soak --minutes "$${M:-30}" $(ARGS)

test: $(DEV_READY)  ## run all tests [ARGS="-k journal"]
	@exec $(PYTEST) $(ARGS)

check: $(DEV_READY)  ## style, types, import contract, unit and property tests: some minutes
	@$(MAKE) -k -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) \
	    check-types check-tests check-style check-imports

check-types: $(DEV_READY)
	@$(BIN)/basedpyright

check-tests: $(DEV_READY)
	@$(PYTEST) tests/unit tests/property

check-style: $(DEV_READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

check-imports: $(DEV_READY)
	@$(BIN)/lint-imports --no-logo --no-cache

reference: $(DEV_READY)  ## write docs/reference anew from the code
	@$(BIN)/python -m tools.reference

check-deploy: $(DEV_READY)  ## lint the Dockerfile, validate the manifests, look up the metrics of alerts
	@$(BIN)/python -m pytest tests/unit/test_deploy.py

client-types: $(DEV_READY)  ## write the types of the TypeScript client anew from the code; needs Node
	@$(BIN)/python -m tools.client_types

format: $(DEV_READY)  ## let ruff mend what it can
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

api-snapshot: $(DEV_READY)  ## write tests/unit/public_api.txt anew
	@$(BIN)/python -m tools.public_api

clean:  ## remove environments and caches; data directories (.kingpost) stay
	rm -rf .venv .tool benchmarks/peers/*/.venv benchmarks/.cache build dist
	rm -rf clients/typescript/node_modules clients/typescript/dist clients/typescript/dist-test
	rm -rf .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src solutions tests tools benchmarks \( -name '*.so' -o -name '__pycache__' \) -prune -exec rm -rf {} +

$(TOOL_READY):
	@rm -f .tool/.uv-*
	@for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        "$$python" -m venv --clear .tool || \
	            { echo "make: $$python has no venv; on Debian: apt-get install python3-venv" >&2; exit 2; }; \
	        .tool/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	        exit; \
	    fi; \
	done; \
	echo "make: Kingpost needs Python 3.11 or newer$(if $(PYTHON), and $(PYTHON) is not); name one: make PYTHON=/path/to/python3.11" >&2; \
	exit 2
	@touch $@

$(RUN_READY): $(TOOL_READY) $(BUILT_FROM)
	$(SYNC) --no-default-groups
	@touch $@

$(DEV_READY): $(TOOL_READY) $(BUILT_FROM)
	$(SYNC) --extra postgres --extra redis --extra ray --extra webhooks --extra otel \
	    --extra grpc --extra nats --extra rabbitmq --extra kafka --extra xgboost --extra s3 --extra mlflow \
	    --extra tune
	@touch $@ $(RUN_READY)
