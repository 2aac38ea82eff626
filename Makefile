# Two commands do all the set-up: `make demo` and `make test`. CI calls the same targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-tensorflow lint types docs clean

demo: $(VENV)/installed
	$(BIN)/headstart demo

test: $(VENV)/installed-dev
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder  # see `pytest_collection_modifyitems`

# The few tests that need TensorFlow (600 MB), in a separate environment.
test-tensorflow: $(VENV)-tensorflow/installed
	$(VENV)-tensorflow/bin/pytest -m tensorflow

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

# The documentation as a site in site/; a link that leads nowhere is an error.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # not --quiet: it hides the warnings from --strict

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)-tensorflow/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-tensorflow
	$(VENV)-tensorflow/bin/python -m pip install --quiet --editable '.[test-tensorflow]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-tensorflow demo-model demo-photos site .pytest_cache .mypy_cache .ruff_cache .hypothesis
