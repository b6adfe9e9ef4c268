# Everything that a fresh machine needs is python3 (3.11 or later) and make.
PYTHON ?= python3
VENV ?= .venv
# Another Flower than that of constraints.txt, in an environment of its own: make test VENV=.venv-140 FLWR=1.40.0
FLWR ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.PHONY: docs docs-reference test-flower test-apps constraints check-advisories test-undo help setup demo test test-unit test-fault test-mixed nightly test-fuzz test-stores test-gdrive-live test-s3 bench bench-quick bench-compare bench-long lint wheel clean

help:
	@echo "make demo              train a real model with three data owners, before your eyes"
	@echo "make test              all tests (about thirteen minutes on two cores)"
	@echo "make test-unit         the unit tests alone, in less than a minute: for every save"
	@echo "make test-fault        the full fault suite: kill -9 at every write point"
	@echo "make test-mixed        today's participants with those of an earlier version, either way round"
	@echo "make test-fuzz         a million damaged inputs for the parsers"
	@echo "make nightly           everything that is too long for make test, and make test-mixed and test-fuzz"
	@echo "make test-stores       mounted buckets, WebDAV, SFTP, Syncthing; SyftBox where its binaries are named"
	@echo "make test-undo         take out each mend of a known attack, and expect its test to fail"
	@echo "make check-advisories  known advisories of the versions in constraints.txt (needs the network)"
	@echo "make test-gdrive-live  the Drive suite on real accounts, where their tokens are given"
	@echo "make test-s3           the object store suite on moto, MinIO and s3rver"
	@echo "make bench             the benchmarks of docs/benchmarks.md"
	@echo "make bench-quick       three owners; 0, 1 and 50 MB; start-up; in a minute"
	@echo "make bench-compare BASE=COMMIT  the same of two versions in turn, as ratios; LIVE=1: with the live view against without"
	@echo "make bench-long        5,000 rounds on a plain folder: is anything growing with them?"
	@echo "make lint              ruff, mypy --strict, import-linter"
	@echo "make docs              build the documentation as a site in build/site; broken links fail it"
	@echo "make docs-reference    write the reference pages and schemas that are made from the code"
	@echo "make wheel             build the wheel into dist/ and try its installed copy"
	@echo "make test-flower       the Grid beside Flower's and a simulation: for trying a version of Flower"
	@echo "make test-apps         apps in the styles of Flower's documentation, beside Flower and its Simulation Runtime"
	@echo "VENV=, PYTHON=, FLWR=  another environment, interpreter, version of Flower for any of these"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.11 …"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(if $(FLWR),$(BIN)/python -m pip install --quiet --disable-pip-version-check 'flwr==$(FLWR)')
	@touch $(STAMP)

setup: $(STAMP)

demo: $(STAMP)
	$(BIN)/syft-flwr demo

test: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "not full and not live"

test-unit: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not full and not live and not slow" tests/unit

test-fault: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup tests/fault tests/integration/test_disturbed_syftbox.py -m "full or not full" --timeout 900

test-flower: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) tests/conformance tests/smoke

test-apps: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) tests/apps -m "full or not full"

test-mixed: $(STAMP)
	$(BIN)/python -m pytest -q tests/mixed -m mixed --timeout 900

nightly: $(STAMP)
	SYFT_FLWR_SEEDS=50 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "(full or not full) and not live and not mixed" --timeout 900
	$(MAKE) test-mixed
	$(MAKE) test-fuzz

test-fuzz: $(STAMP)
	$(BIN)/python tests/fuzz/fuzz_parsers.py --runs 150000

test-s3: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) tests/contract tests/fault/test_object_store_killed.py tests/integration/test_object_store_federation.py -k "moto or killed or bucket"
	$(BIN)/python -m tests.s3_servers

test-stores: $(STAMP)
	$(BIN)/python -m pytest -q -rs tests/live -m store --timeout 3600

test-gdrive-live: $(STAMP)
	$(BIN)/python -m pytest -q -rs tests/live -m "live and not store"

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run

bench-quick: $(STAMP)
	$(BIN)/python -m benchmarks.quick --trend build/bench-trend.jsonl

# make bench-compare BASE=COMMIT: median paired ratios of five turns; LIVE=1: this version with its live view on, in a pty
bench-compare: $(STAMP)
	$(BIN)/python -m benchmarks.compare $(BASE) $(if $(LIVE),--live)

bench-long: $(STAMP)
	$(BIN)/python -m benchmarks.long_run

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

# The network is needed the first time only, for MkDocs itself.
docs: $(STAMP)
	$(BIN)/python -c 'import mkdocs' 2>/dev/null || $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python -m mkdocs build --strict

docs-reference: $(STAMP)
	$(BIN)/python docs/make_reference.py

wheel: $(STAMP)
	$(BIN)/python tests/wheel_check.py

# Both need the network: the first asks PyPI for versions, the second for known advisories of those in constraints.txt.
constraints:
	{ sed -n '/^#/p' constraints.txt; uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra bench \
	  --no-header --no-annotate pyproject.toml; } > constraints.new && mv constraints.new constraints.txt

check-advisories:
	uvx pip-audit --disable-pip --no-deps --requirement constraints.txt

test-undo: $(STAMP)
	$(BIN)/python tests/undo/undo.py

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
