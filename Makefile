# `make` lists the targets. Each makes .venv if there is none and installs what it needs into it. Only Python 3.11 or newer
# must be there before; `make test PYTHON=python3.12` takes another one than python3.

PYTHON ?= python3
# Installed first, so that one build serves every target. A CPU build is enough: where the default would bring gigabytes
# of CUDA libraries, name one with `make demo TORCH=...`, as a version, a wheel file, or with options of pip.
TORCH ?= torch==2.13.0

# Every other package at the version that the tests ran with; `make lock` writes the file anew. LOCK= leaves it out.
LOCK ?= --constraint constraints.txt

VENV := .venv
PY := $(VENV)/bin/python
# Two OpenMP threads on busy cores are many times slower than one.
export OMP_NUM_THREADS ?= 1

# Tests whose files take longest begin first, so that neither of the two processes waits at the end.
FIRST := tests/training tests/hub tests/recognition tests/test_train_sft.py

.DEFAULT_GOAL := help
.PHONY: help demo space test test-slow test-lowest test-newest test-browser check fix bench evaluate peers lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-demo ## read drawn faces and one photograph as a Hub user would; writes outputs/demo/
	$(PY) examples/demo.py

space: $(VENV)/.installed-space ## serve the web page on http://127.0.0.1:7860
	$(PY) -m aullava.space.app

test: $(VENV)/.installed-test ## run the tests (no network, no GPU)
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(FIRST) tests $(ARGS)

test-slow: $(VENV)/.installed-test ## run those that `make test` leaves out for their time
	$(PY) -m pytest -m slow tests $(ARGS)

test-lowest: ## run them with the oldest version of each dependency that pyproject.toml claims
	$(MAKE) VENV=.venv-lowest .venv-lowest/bin/python
	.venv-lowest/bin/python tests/lowest.py > .venv-lowest/lowest.txt
	PIP_CONSTRAINT=$(CURDIR)/.venv-lowest/lowest.txt $(MAKE) VENV=.venv-lowest LOCK= test

test-newest: export TORCH = torch
test-newest: ## run them with the newest version of each dependency that its range allows
	rm -f .venv-newest/.installed-test
	PIP_UPGRADE=1 PIP_UPGRADE_STRATEGY=eager $(MAKE) VENV=.venv-newest LOCK= test

test-browser: $(VENV)/.installed-test ## drive the web page with the Chromium that is there
	$(PY) -m pytest -m browser tests/space

check: $(VENV)/.installed-dev ## lint and format check; changes nothing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

fix: $(VENV)/.installed-dev ## mend what ruff can mend, format, and renew the copy in metrics/au_intensity
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	cp metrics/au_detection/averages.py metrics/au_intensity/averages.py

bench: $(VENV)/.installed-test ## run every benchmark; the tables go to benchmarks/results/
	@set -e; for script in $(filter-out benchmarks/reporting.py benchmarks/baseline_classifier.py benchmarks/evaluate_embedded.py,$(sort $(wildcard benchmarks/*.py))); do echo "$$script"; $(PY) $$script; done

evaluate: $(VENV)/.installed-test ## every figure of the embedded checkpoint, beside controls and peers
	$(PY) benchmarks/evaluate_embedded.py $(ARGS)

peers: $(VENV)/.installed-test ## train discriminative peers of the embedded checkpoint on its faces, an hour and more
	$(PY) benchmarks/baseline_classifier.py $(ARGS)

lock: ## resolve every dependency anew, for each Python and system at once, and pin it in constraints.txt
	$(MAKE) VENV=.venv-lock .venv-lock/bin/python
	.venv-lock/bin/python -m pip install --upgrade uv
	.venv-lock/bin/uv pip compile pyproject.toml --extra test --extra dev --universal --python-version 3.11 --upgrade \
		--no-emit-package torch --no-annotate --no-header --quiet --output-file constraints.txt

# One stamp an extra; a changed pyproject.toml or lock makes them all stale. The build tool is pinned as well, which pip does not
# do where it builds in an environment of its own.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(PY)
	$(PY) -m pip install $(LOCK) $(TORCH) setuptools
	$(PY) -m pip install $(LOCK) --no-build-isolation --editable ".[$*]"
	@touch $@

$(PY):
	$(PYTHON) -m venv $(VENV)
