# `make repro` sets up and runs the recipes that params.yaml switches on; `make test` sets up and checks the code.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: setup repro test ui experiments lock

repro: setup ## run the recipes, then print what came out
	@python -m pipeline check
	dvc repro
	@python -m pipeline show

test: setup ## lint, types, tests
	ruff check .
	ruff format --check .
	mypy
	pytest

ui: setup ## open the comparison in MLflow
	@python -m pipeline ui

experiments: setup ## experiments made with `dvc exp run`, best validation log loss first
	@dvc exp show --only-changed --drop 'artifacts/' --sort-by chosen.validation_log_loss

setup: .venv/.complete

.venv/.complete: requirements-setup.txt requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	  sys.exit(None if (3, 11) <= v < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { echo 'Python has no venv: apt-get install python3-venv'; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.txt
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes --compile-bytecode -r requirements.txt
	@touch $@

LOCK = uv pip compile --quiet --no-header --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url
IN_FETCH = dvc|numpy|pandas|pillow|scikit-learn|scipy # of the versions that the rest has; dvc-s3 wants an older botocore

lock: ## resolve the dependencies anew
	$(LOCK) --group test pyproject.toml -o requirements.txt
	printf 'uv\nsetuptools\n' | $(LOCK) --no-annotate - -o requirements-setup.txt
	for group in steps-cpu steps-gpu tracking; do \
	  $(LOCK) --no-annotate --group $$group --constraints requirements.txt -o requirements-$$group.txt || exit 1; done
	grep -E '^($(strip $(IN_FETCH)))==' requirements.txt | tr -d '\\' | \
	  $(LOCK) --no-annotate --group fetch --constraints - -o requirements-fetch.txt
