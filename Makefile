# One task a line: `make help` prints the text behind ##.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# epplib is GPL and not on the package index. What pip takes: a path, an archive, a repository.
EPPLIB ?= git+https://github.com/cisagov/epplib@bd1d503f18a6f98b82ae5785c8d0f48a23a98987

FUZZ_SECONDS ?= 60
MINUTES ?= 10

# What an install is made of: when one of these changes, the next task installs again.
BUILT_FROM := setup.cfg pyproject.toml MANIFEST.in geventconnpool.py \
	$(wildcard patches/*) $(wildcard upstream/*.py) upstream/pin.cfg

.DEFAULT_GOAL := help
.PHONY: help demo test prove test-epp fuzz soak lint types check sbom \
	matrix matrix-corners watch release rehearsal bench clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/installed-demo ## the pool at work, against a registry on this machine
	$(BIN)/python -m geventconnpool_gov.demo

test: $(VENV)/installed-dev ## all tests, on two workers; fails below 95 % of the branches, too
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2
	@$(BIN)/coverage combine --quiet
	@covered=$$($(BIN)/coverage report --format=total) \
		&& echo "coverage by branch: $$covered %" || $(BIN)/coverage report

prove: $(VENV)/installed-dev ## every schedule within wider bounds, and more programs: minutes
	$(BIN)/python -m pytest -n 2 -m prove tests/properties

test-epp: $(VENV)/installed-dev ## the tests with the real epplib; EPPLIB=<path or URL for pip>
	$(BIN)/python -m pip install --quiet '$(EPPLIB)'
	$(BIN)/python -m pytest -n 2 -m epplib tests/epp

fuzz: $(VENV)/installed-dev ## feed the EPP transport and client nonsense for FUZZ_SECONDS
	PYTHONPATH=tests $(BIN)/python -m epp.fuzz $(FUZZ_SECONDS)

soak: $(VENV)/installed-dev ## two pools, load and all sorts of trouble for MINUTES
	PYTHONPATH=tests $(BIN)/python -m soak --minutes $(MINUTES)

lint: $(VENV)/installed-dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev ## mypy, strict
	$(BIN)/mypy

check: $(VENV)/installed-dev ## the patches: every hash, and export's form; the bill of materials
	$(BIN)/python -m upstream check
	$(BIN)/python -m upstream sbom --check

sbom: $(VENV)/installed-dev ## the bill of materials, written anew
	$(BIN)/python -m upstream sbom

matrix: $(VENV)/installed-dev ## the tests on every gevent and CPython there is: COMPATIBILITY.md
	$(BIN)/python -m matrix

matrix-corners: $(VENV)/installed-dev ## the tests on the oldest gevent, the newest, and one between
	$(BIN)/python -m matrix --corners

watch: $(VENV)/installed-dev ## new releases: each gevent is tried, upstream's is named
	$(BIN)/python -m upstream watch

release: $(VENV)/installed-dev ## everything up to the upload, into dist/
	$(BIN)/python -m upstream release

rehearsal: $(VENV)/installed-dev ## the same, before the release has its date
	$(BIN)/python -m upstream release --rehearsal

bench: $(VENV)/installed-dev ## the figures, side by side with other pools
	$(BIN)/python -m benchmarks

clean: ## what tasks and builds have made
	rm -rf $(VENV) build dist *.egg-info upstream/built geventconnpool_gov/pool.py
	rm -rf .cache/matrix .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# An editable install with the extra that the task needs.
$(VENV)/installed-%: $(BUILT_FROM) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
