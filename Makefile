# contrapose: `make demo` and `make test` are all a newcomer needs. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Where torch comes from; empty: the usual index, which on Linux has the builds for CUDA. Without a GPU:
#   make TORCH_INDEX=https://download.pytorch.org/whl/cpu demo
TORCH_INDEX ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-elsewhere test-slow test-crash test-gpu lint format typecheck docs bench bench-gpu methods-table clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# torch goes first, by its exact version: anything that resolves it later could bring another build. From an index of its
# own it comes without what it needs, which the next line brings from the usual one.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("contrapose needs Python >= 3.11; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--no-deps --index-url $(TORCH_INDEX)) torch==2.13.0
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@touch $(STAMP)

setup: $(STAMP)  ## create .venv and install everything

demo: $(STAMP)  ## the main job on real text: train, then see the difference
	@$(BIN)/contrapose demo

# A process for each core, at most four: each holds torch, and has one thread. The files of a module's fixtures stay together.
# A process that dies ends the run: pytest-xdist can wait for ever for what it restarts.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --max-worker-restart 0

test: $(STAMP)  ## the test suite
	@$(PARALLEL)

test-elsewhere: $(STAMP)  ## the suite as other machines would run it: other processors, locales, orders, users
	@$(BIN)/python -m tests.elsewhere -n auto --maxprocesses 4 --dist loadfile --max-worker-restart 0

test-slow: $(STAMP)  ## tests that take minutes
	@$(BIN)/python -m pytest -m slow

test-crash: $(STAMP)  ## real kills, full disks, damaged files, at length
	@$(BIN)/python -m pytest -m crash

test-gpu: $(STAMP)  ## tests that need CUDA
	@$(BIN)/python -m pytest -m gpu

lint: $(STAMP)  ## ruff check, format check, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP)  ## let ruff rewrite
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

typecheck: $(STAMP)  ## mypy alone
	@$(BIN)/mypy

docs: $(STAMP)  ## rebuild the pages that are made from the code, and the site from all pages: site/index.html
	@$(BIN)/python docs/build.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "The site is in site/: open site/index.html, or serve it with: python3 -m http.server --directory site"

bench: $(STAMP)  ## speed, as ratios against named rivals in the same run
	@$(BIN)/python -m benchmarks --record

bench-gpu: $(STAMP)  ## checks and timings on a CUDA device
	@PYTHON=$(BIN)/python benchmarks/gpu.sh

# DATA: a folder with senteval/ and corpora/general/wiki.txt.gz; some eight hours of two cores, in as many pieces as you like.
DATA ?= data
METHODS := runs/methods
methods-table: $(STAMP)  ## every method from a start that no contrast has trained: docs/methods-measured.md (hours; resumable)
	@test -d $(METHODS)/start/model || $(BIN)/contrapose pretrain $(DATA)/corpora/general/wiki.txt.gz --steps 200 --out $(METHODS)/start
	@$(BIN)/python -m studies.methods_table --wiki $(DATA)/corpora/general/wiki.txt.gz --senteval $(DATA)/senteval --start $(METHODS)/start/model --out $(METHODS)
	@$(BIN)/python -m studies.methods_table --out $(METHODS) --summary docs/results/methods.jsonl

clean:  ## remove the environment and everything generated
	@rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
