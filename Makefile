# `make repro` sets up and runs the recipes that params.yaml switches on; `make test` sets up and checks the code.
PYTHON ?= python3
WORKERS ?= 2 # processes that share the tests; each takes up to 5 GB
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What `make image` builds: for GPUs unless ACCELERATOR=cpu, on BASE, as $(PREFIX)graft-steps:$(TAG) and graft-fetch.
ACCELERATOR ?= gpu
BASE ?= python:3.11-slim
PREFIX ?=
TAG ?= latest
export DOCKER_BUILDKIT := 1

.PHONY: setup repro test look new ui experiments lock image test-containers

# `dvc repro` without its line on the lock file after each stage, which no option of DVC leaves out
REPRO = python -P -c 'import logging, sys, dvc.cli; logging.getLogger("dvc.dvcfile").setLevel("WARNING"); \
  sys.argv[0] = "dvc"; sys.exit(dvc.cli.main())' repro

repro: setup ## run the recipes, then print what came out
	@graft arrange
	@$(REPRO)
	@graft show

test: setup ## lint, types, tests
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo
	pytest -n $(WORKERS) --dist worksteal

look new: setup ## look at the labelled images in SOURCE; `new` makes a recipe of them, NAME, with NETWORKS and SET
	@graft $@ "$(SOURCE)" $(addprefix --set ,$(SET)) \
	  $(if $(filter new,$@),$(if $(NAME),--name $(NAME)) $(addprefix --network ,$(NETWORKS)))

ui: setup ## open the comparison in MLflow
	@graft ui

experiments: setup ## experiments made with `dvc exp run`, best log loss on validation first
	@graft experiments

setup: .venv/bin/graft ## make .venv, with the locked packages and the command graft

MADE_IN := $(shell [ -s .venv/.complete ] && cat .venv/.complete || pwd -P)
ifneq ($(MADE_IN),$(CURDIR)) # an environment that was moved or copied finds nothing, or what is not its own
.PHONY: .venv/.complete
CLEAR := --clear
endif

.venv/.complete: requirements-setup.txt requirements.txt
	@$(PYTHON) -c 'import os, sys; v = sys.version_info; \
	  sys.exit(os.getcwd() + " has a colon, which no PATH can hold: rename that folder" if ":" in os.getcwd() else \
	  None if (3, 11) <= v < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ...")'
	@echo 'creating the environment .venv ...'
	@$(PYTHON) -m venv $(CLEAR) .venv || { echo 'Python has no venv: apt-get install python3-venv'; exit 1; }
	@.venv/bin/python -c 'import pathlib, shlex; here, file = pathlib.Path(".venv").absolute(), pathlib.Path(".venv/bin/activate"); \
	  file.write_text(file.read_text().replace(f"\"{here}\"", shlex.quote(str(here))))' # which older ones quote badly
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.txt
	@echo "installing about $$(grep -c '^[^ #].*==' requirements.txt) packages, 3.8 GB: a minute or more ..."
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes --compile-bytecode -r requirements.txt
	@pwd -P > $@

.venv/bin/graft: .venv/.complete pyproject.toml
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@
	@echo 'ready: after `. .venv/bin/activate`, `graft --help` lists the commands'

LOCK = uv pip compile --quiet --no-header --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url
IN_FETCH = dvc|numpy|pandas|pillow|pillow-heif|scikit-learn|scipy # of the versions that the rest has; dvc-s3 wants an older botocore

image: ## build the images; ACCELERATOR=cpu, PREFIX=registry.example.org/team/, TAG, BASE, BUILD_FLAGS
	for target in steps fetch; do docker build $(BUILD_FLAGS) --target $$target --build-arg BASE=$(BASE) \
	  --build-arg ACCELERATOR=$(ACCELERATOR) --build-arg REVISION=$$(git describe --always --dirty --abbrev=40 --match '') \
	  --tag $(PREFIX)graft-$$target:$(TAG) . || exit 1; done

test-containers: setup ## build the CPU images and run every step of `digits` in them; needs a Docker engine
	@docker info >/dev/null 2>&1 || { echo 'no Docker engine answers: install one (docker.io) and start it'; exit 1; }
	$(MAKE) image ACCELERATOR=cpu
	dvc repro
	GRAFT_CONTAINERS=1 pytest tests/test_containers.py

lock: ## resolve the dependencies anew
	$(LOCK) --group test pyproject.toml -o requirements.txt
	printf 'uv\nsetuptools\n' | $(LOCK) --no-annotate - -o requirements-setup.txt
	for group in steps-cpu steps-gpu tracking; do \
	  $(LOCK) --no-annotate --group $$group --constraints requirements.txt -o requirements-$$group.txt || exit 1; done
	grep -E '^($(strip $(IN_FETCH)))==' requirements.txt | tr -d '\\' | \
	  $(LOCK) --no-annotate --group fetch --constraints - -o requirements-fetch.txt
