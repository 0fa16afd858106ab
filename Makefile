# make run    set up and run the demo chain: a report of CLEP-DG on synthetic speech
# make test   set up and pass the tests
# make check  linters and types
# make bench  what is fast, as ratios against the plain way
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-all check bench clean

run: .venv/ready
	$(BIN)/lightning-cli chain --config configs/chains/demo.yaml
	@echo "the report: runs/demo/report.html"

test: .venv/ready
	$(BIN)/python -m pytest

test-all: .venv/ready
	$(BIN)/python -m pytest -m ""

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m benchmarks

# Through constraints.txt: the newest torch does not import beside torchaudio (pyproject.toml says why).
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv runs data
