# make demo   the main job on simulated radar chips
# make test   style, types, tests
# make explorer  the page of `spacewise view`, built from explorer/ (needs Node 20)
# make bench  every benchmark on one page; QUICK=1: a few minutes
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint bench explorer clean

demo: $(STAMP)
	$(BIN)/spacewise demo

test: $(STAMP) lint
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py $(if $(QUICK),--quick)

explorer:
	cd explorer && npm ci --silent && npm run check && npm run build

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,viz]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist src/*.egg-info
