# make demo         explain a scene of several sounds with the bundled model, pages in $(DEMO)
# make demo PROMPT="rain"                          ask the scene about another sound as well
# make demo AUDIO=my.wav PROMPT="a dog barking"    explain a recording of your own
# make test         ruff, typos, mypy and the quick tests
# make coverage     the quick tests and which lines they run; half as long again
# make test-slow    the tests that train or build models of the published sizes
# make legacy       the quick tests of laion-clap's and msclap's own networks, in an environment of their own
# make legacy-slow  the same at the published sizes
# make test-lowest  a few tests on the lowest versions that pyproject.toml declares
# make lint, make typecheck, make clean
#
# Needs Python 3.11 or newer (PYTHON=python3.12 names another) and make; everything else goes into $(VENV). On Linux pip
# brings torch with CUDA, which is gigabytes; where a pip configuration names PyTorch's CPU wheels, it takes those.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= build/demo
WORKERS ?= 2
AUDIO ?=
PROMPT ?=

# Tests that need real recordings read them here, and skip where the folder is absent.
ZSXAI_ESC50 ?= $(abspath $(wildcard ../shared/esc50))
export ZSXAI_ESC50
export AUDIO PROMPT PYTHON WORKERS

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
BOUGHT := pyproject.toml constraints.txt
CODE := zsxai adapters baselines benchmarks tests
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --durations=25

.DEFAULT_GOAL := help
.PHONY: help demo test coverage test-slow legacy legacy-slow test-lowest lint typecheck clean

help:
	@sed -n 's/^# \{0,1\}//;/^$$/q;p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zsxai needs Python 3.11 or newer: make PYTHON=... names one")'
	@echo "making an environment in $(VENV) (about 5 s)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python $(BOUGHT)
	@echo "installing zsxai with torch (about a minute; several where pip fetches torch's CUDA libraries)"
	@$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(BIN)/python $(BOUGHT)
	@echo "installing zsxai and what tests need (about two minutes)"
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.run

# AUDIO and PROMPT reach the shell as variables, so that blanks and quotes in them do no harm.
demo: $(VENV)/.run
ifeq ($(strip $(AUDIO)),)
	@echo "explaining a scene (about 15 s)"
	@$(BIN)/zsxai demo --out "$(DEMO)" --overwrite
	@test -z "$$PROMPT" || $(BIN)/zsxai explain "$(DEMO)/scene.wav" "$$PROMPT" --out "$(DEMO)-own" --overwrite
else
	@test -n "$$PROMPT" || { echo 'make demo AUDIO=... also needs PROMPT="what to listen for"' >&2; exit 2; }
	@echo "explaining $(AUDIO) (about 10 s)"
	@$(BIN)/zsxai explain "$$AUDIO" "$$PROMPT" --out "$(DEMO)-own" --overwrite
endif

lint: $(VENV)/.dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/typos

# The tree maps adapters/ to zsxai.adapters and so on, which mypy does not see; a copy laid out as imports see it, it does.
typecheck: $(VENV)/.dev
	rm -rf build/typecheck && mkdir -p build/typecheck
	cp -R zsxai build/typecheck/ && cp -R adapters baselines benchmarks build/typecheck/zsxai/
	cd build/typecheck && MYPYPATH=. $(abspath $(BIN))/mypy --config-file ../../pyproject.toml --cache-dir ../mypy_cache --strict -p zsxai

test: lint typecheck
	$(PYTEST) -m "not slow"

coverage: $(VENV)/.dev
	$(PYTEST) -m "not slow" --cov --cov-report=term

# Few and long: a worker that has none left takes another's.
test-slow: $(VENV)/.dev
	$(PYTEST) -m slow --dist worksteal

legacy:
	tests/legacy.sh -m "legacy and not slow"

legacy-slow:
	tests/legacy.sh -m "legacy and slow"

test-lowest:
	tests/lowest.sh

clean:
	rm -rf build dist demo *.egg-info .coverage .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
