# Needs Python 3.11 or later and make; everything else is installed into .venv from the lock.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Colours, pagers and questions are for people at a terminal.
export AWS_PAGER :=
export SAM_CLI_TELEMETRY := 0
PY := .venv/bin/python
READY := .venv/.ready
CHECKOV := .venv/checkov

.PHONY: help demo test check local local-down bench faults deploy lock clean
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv itself comes from the same hash lock, by way of pip.
$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Meshift needs Python 3.11 or later, this is " + sys.version)'
	@echo "Setting up .venv (once)"
	@$(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > .venv/uv.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@uv pip install --quiet --python $(PY) --require-hashes -r requirements-dev.lock
	@uv pip install --quiet --python $(PY) --offline --no-deps --editable .
	@touch $@

# checkov wants old versions of what the others need.
$(CHECKOV)/.ready: requirements-checkov.lock $(READY)
	@uv venv --quiet --clear --python $(PY) $(CHECKOV)
	@uv pip install --quiet --python $(CHECKOV)/bin/python --require-hashes -r requirements-checkov.lock
	@touch $@

demo: $(READY) ## the whole story on local AWS, with a table of what was observed
	@$(PY) -m local.demo

test: $(READY) ## all tests: unit, integration, e2e on local AWS
	@$(PY) -m pytest -n 2 --dist loadfile

check: $(READY) $(CHECKOV)/.ready ## ruff, mypy, cfn-lint, checkov, checks of policies and state machines
	@ruff check .
	@ruff format --check .
	@mypy
	@sam validate --lint --region us-east-1
	@$(CHECKOV)/bin/checkov --config-file .checkov.yaml
	@$(PY) -m pytest -q tests/unit/test_template.py tests/unit/test_statements.py tests/unit/test_state_machine.py tests/unit/test_rooms.py

local: $(READY) ## local AWS in the background, the stack deployed in both accounts
	@$(PY) -m local.up

local-down: ## stop local AWS
	@if [ -x $(PY) ]; then $(PY) -m local.down; fi

bench: $(READY) ## the benchmarks, a JSON line each
	@$(PY) -m benchmarks

faults: $(READY) ## everything that can go wrong with each call to AWS, random histories, an event storm
	@$(PY) -m tests.faults.called
	@$(PY) -m tests.faults

deploy: $(READY) ## build and deploy to real AWS, asking what it needs to know
	sam build && sam deploy --guided

lock: $(READY) ## resolve pyproject.toml and functions/requirements.in anew
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade --group dev -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade --group checkov -o requirements-checkov.lock
	uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-annotate --no-header --upgrade functions/requirements.in -o functions/requirements.txt

clean: local-down ## remove everything that was built
	rm -rf .venv .aws-sam .local build
