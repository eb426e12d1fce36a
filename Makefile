# make run   demo against the embedded simulator
# make fleet the same for many tenants, and where PostgreSQL is installed on two hosts
# make test  lint, types, import layers and every test; then which lines no test reached
# make quick lint and the tests that are not marked slow
# make soak five times the nights of limits and outages, any order of commands and kills, then ten minutes of short nights and an hour of one cutover with everything on (SECONDS=600 SEED=7)
# make power-loss  power cut at thousands of moments of runs, rollbacks and migrations, about half an hour (SEED=7)
# make mutants break the rooms that only compute, one change at a time, and count what no test notices: an hour (ROOMS='settings rate')
# make bench speed and scale against other clients, about ten minutes (BENCH=--quick: one or two)
# make docs  the reference pages made anew from the code
# make lock  renew requirements.lock (needs uv)

PYTHON ?= python3
BIN := .venv/bin

# Set, each of the thousands of commands that the tests start would compile all it imports anew: half of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run fleet test quick soak power-loss mutants bench docs lint clean lock

run: .venv/ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh manifests/demo.sh

fleet: .venv/ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh manifests/fleet.sh

# Whoever a test starts a command as must be able to write what it reached.
test: lint
	@rm -rf .coverage && mkdir -m 1777 .coverage
	$(BIN)/python -m coverage run -m pytest -n 4 --dist loadfile --no-loadscope-reorder; code=$$?; \
		$(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage report; exit $$code

quick: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

soak: .venv/ready
	LAB_SEEDS=5 $(BIN)/python -m pytest -q -n 0 tests/lab tests/flow/test_a_hidden_limit_is_found.py
	SEQUENCES=300 $(BIN)/python -m pytest -q -n 0 tests/crash/test_state_machine.py $(if $(SEED),--hypothesis-seed=$(SEED))
	$(BIN)/python -m tests.soak nights --seconds 600 $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.soak cutover $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

power-loss: .venv/ready
	POWER_ROWS=100 POWER_CUTS=250 POWER_IMAGES=8 POWER_WHOLE=25 $(if $(SEED),SEED=$(SEED)) \
		$(BIN)/python -m pytest -q -s -n 0 tests/crash/test_power_loss.py

mutants: .venv/ready
	$(BIN)/python -m tests.mutants $(ROOMS)

bench: .venv/ready
	$(BIN)/python -m tests.bench $(BENCH)

docs: .venv/ready
	$(BIN)/python -m tests.docs

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@sh tests/check_js.sh

.venv/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'bulkroute needs Python 3.11 or newer: install python3.11 (Debian 12: python3), or set PYTHON=' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo 'Python has no venv module: install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

clean:
	rm -rf .venv .coverage node_modules build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
