# make demo   the main job on simulated radar chips
# make test   style, types, tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint bench clean

demo: $(STAMP)
	$(BIN)/spacewise demo

test: $(STAMP) lint
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/triplet.py
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/separation.py
	$(BIN)/python benchmarks/explanation.py
	$(BIN)/python benchmarks/sliced_wasserstein.py
	$(BIN)/python benchmarks/so2sat.py
	$(BIN)/python benchmarks/views.py

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,viz]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist src/*.egg-info
