# The two commands of a newcomer are `make demo` and `make test`. GNU make 3.81 or newer.
PYTHON ?= python3
BIN := .venv/bin
# Two processes with one thread each: faster than one with two, and no fight over two cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

.DEFAULT_GOAL := help
.PHONY: help demo test slow check clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1 - /p' Makefile

demo:  ## install, train a GAN and a diffusion model on digits, write one report
	@$(PYTHON) tools/install.py
	@$(BIN)/trilemma demo

test:  ## install, run the tests but for the slow ones
	@$(PYTHON) tools/install.py --dev
	@$(PYTEST) -m "not slow"

slow:  ## the slow tests: fuzzing, crashes
	@$(PYTHON) tools/install.py --dev
	@$(PYTEST) -m slow

check:  ## format, lint, types
	@$(PYTHON) tools/install.py --dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:  ## remove .venv and caches; runs and reports stay
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
