# Everything happens in .venv, made here on first use. Nothing needs to be installed first but Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOG := $(VENV)/install.log
# Installers warn by the hundred lines: what they say goes to the log, and its end is shown when an installation fails.
PIP = $(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt
QUIETLY = >>$(LOG) 2>&1 || { echo "Installing failed. The end of $(LOG):" >&2; tail -n 30 $(LOG) >&2; exit 1; }

.PHONY: demo test check bench audit sbom lock dist clean

demo: $(VENV)/.demo
	$(BIN)/penstock demo

# Threads that wait by spinning take each other's processor where two tests train at once: 112 s instead of 15 for one.
test: $(VENV)/.dev
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest tests -n 2 --dist loadgroup

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/tidy.py
	$(BIN)/python tests/secret_scan.py

bench: $(VENV)/.dev
	@$(PIP) -e ".[bench]" $(QUIETLY)
	$(BIN)/python -m benchmarks

# What is known to be wrong with what is installed. Asks a public database, so it is no part of `check`.
audit: $(VENV)/.supply
	$(BIN)/pip-audit --local --skip-editable

# A bill of materials of what is installed, as CycloneDX.
sbom: $(VENV)/.supply
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/sbom.cdx.json $(BIN)/python

# The versions of constraints.txt with the hashes of all their files, for every platform: constraints.lock. Of these what
# a server needs: serve.lock. pip takes no hash for an editable installation, so .venv here is made without them.
UV ?= $(BIN)/uv
UV_COMPILE = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$PIP_INDEX_URL}" $(UV) pip compile -q --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --python-version 3.11
lock: $(VENV)/.supply
	$(UV_COMPILE) --no-deps constraints.txt -o constraints.lock
	$(UV_COMPILE) pyproject.toml --extra postgres -c constraints.txt --python-platform linux -o serve.lock

# An sdist and a wheel of this commit, the same bytes wherever they are made.
dist: $(VENV)/.supply
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --outdir dist

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.base: constraints.txt
	@echo "Making $(VENV) (once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Penstock needs Python 3.11 or newer, not %s; try: make PYTHON=python3.11" % sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) pip $(QUIETLY)
	@touch $@

$(VENV)/.demo: $(VENV)/.base pyproject.toml
	@echo "Installing Penstock with its training part (about a minute with a warm package cache) ..."
	@$(PIP) -e ".[train]" $(QUIETLY)
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "Installing what checks and tests need ..."
	@$(PIP) -e ".[train,postgres,privacy,scale,tracking,dev]" $(QUIETLY)
	@touch $@

$(VENV)/.supply: $(VENV)/.demo
	@$(PIP) -e ".[train,supply]" $(QUIETLY)
	@mkdir -p dist
	@touch $@
