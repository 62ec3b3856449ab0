# Everything there is to run. Needs Python 3.11 or newer, make and git; the rest is installed into .venv.

# The first Python on the path that is new enough; another one: make demo PYTHON=/path/to/python
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help demo test compiled lint bench bench-compare validate clean

help:
	@echo 'make demo   simulate a small set of clusters side by side; results in a table and in MLflow'
	@echo 'make test   everything that must hold: ruff, mypy, all tests'
	@echo 'make compiled  compile the simulator, so that it runs four times as fast; make demo and make test do it, too'
	@echo 'make lint   ruff and mypy alone'
	@echo 'make bench  how fast it is, as JSON in benchmarks/out (SPLITWISESIM=checkout: beside SplitwiseSim)'
	@echo 'make bench-compare BASE=commit   is this tree faster than that commit, and are its results the same?'
	@echo 'make validate   simulate 2,885 measured serving points, and write how far off it is into docs/validation.md'
	@echo 'make browser  what MLflow shows after a sweep, checked in a headless Chromium, if one is installed'
	@echo 'make clean  remove the virtual environment and the caches (results stay)'

demo: compiled
	$(BIN)/python -m sweep experiments/quickstart.yaml

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

# On all cores; tests/conftest.py says which tests stay in one process.
test: lint compiled
	$(BIN)/python -m pytest -n logical --durations=25
	SIM_CORE_PURE=1 $(BIN)/python -m pytest -n logical tests/sim_core tests/engine tests/properties tests/theory tests/parity

# The simulator's core as C, where there is a compiler; without one it runs as plain Python, and says so.
compiled: $(READY)
	@$(BIN)/python -W ignore setup.py -q compiled

# Single core; each writes raw numbers, versions and machine. SplitwiseSim's own packages: SPLITWISESIM_PYTHON.
BENCH := benchmarks/out
bench: $(READY)
	@mkdir -p $(BENCH)
	$(BIN)/python benchmarks/simulator.py $(if $(SPLITWISESIM),--splitwisesim $(SPLITWISESIM)) \
	    $(if $(SPLITWISESIM_PYTHON),--python $(SPLITWISESIM_PYTHON)) > $(BENCH)/simulator.json
	$(BIN)/python benchmarks/growth.py --large > $(BENCH)/growth.json
	$(BIN)/python benchmarks/limit.py > $(BENCH)/limit.json
	$(BIN)/python benchmarks/start.py > $(BENCH)/start.json

bench-compare: $(READY)
	@test -n '$(BASE)' || { echo 'Compare with which commit? make bench-compare BASE=HEAD~1' >&2; exit 1; }
	@mkdir -p $(BENCH)
	$(BIN)/python benchmarks/compare.py $(BASE) > $(BENCH)/compare.json

# Writes docs/validation.md and its pictures; the last line is JSON. The first time it asks for tables of step times.
validate: compiled
	$(BIN)/python -m benchmarks.validation

# Not a part of `make test`: a browser is no Python package. Pictures are left in results/screenshots.
browser: $(READY)
	@if $(BIN)/python -c 'from tests.sync.ui.browser import find_browser as f; raise SystemExit(f() is None)'; then \
	    $(BIN)/python -m pytest tests/sync/ui/look_at_mlflow.py; \
	else \
	    echo '!!! NOT CHECKED: what MLflow shows in a browser. No Chromium is installed (Debian: apt install chromium).' >&2; \
	fi

# Shows how many packages pip has fetched, and from its first error on what pip says; ends as pip does.
PACKAGES = $(shell grep -o '^[A-Za-z0-9._-]*==' requirements.lock)
define SHOW_PROGRESS
count=0
while read -r line; do
    case "$$failed$$line" in
    "pip ended: "* | "failed pip ended: "*) exit "$${line##* }" ;;
    Collecting\ * | Processing\ *)
        count=$$((count + 1))
        test $$((count % 20)) -ne 0 || echo "  $$count of $(words $(PACKAGES)) packages fetched" ;;
    "Installing collected packages"*) echo "  all fetched; unpacking them takes a minute or more" ;;
    ERROR* | failed*) failed="failed "; echo "$$line" >&2 ;;
    esac
done
endef
export SHOW_PROGRESS

# Made anew whenever the lock changes, so that it holds exactly what is locked. The stamp comes last: an installation
# that was interrupted is started again.
$(READY): requirements.lock
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or newer found; name one: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'This needs Python 3.11 or newer, and $(PYTHON) is not one: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Installing $(words $(PACKAGES)) locked packages into $(VENV): 0.5 GB to download, 1.6 GB on disk.'
	@echo 'It takes 2 to 3 minutes of computing besides the download, and is done once.'
	@$(PYTHON) -m venv --clear $(VENV)
	@{ $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --use-pep517 --require-hashes \
	    -r requirements.lock 2>&1; echo "pip ended: $$?"; } | sh -c "$$SHOW_PROGRESS"
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf build sim_core/compiled.crc32 sim_core__mypyc.*.so
	find sim_core -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
