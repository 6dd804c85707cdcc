# `make help` lists the targets. Everything Python lives in .venv, everything else comes from the distribution.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ACCEL ?= tcg
# Without it every start of a daemon, of the command and of pytest compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down venv install check test format bench bench-data soak faults clients clean docs demo bpf shims test-kernel test-fast-path

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

up: ## this machine becomes a Sealane node, with two containers to try; as root
	scripts/install
	$(MAKE) --no-print-directory $(VENV)/.installed
	$(BIN)/python scripts/up

down: ## stop it and leave nothing behind; as root
	scripts/down

venv: $(VENV)/.installed $(VENV)/.oracle ## the virtual environment with Sealane and all that its tests need

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.oracle: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,oracle]'
	@touch $@

check: venv ## format, lint, types and the tests that need no root
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/unit tests/golden

install: ## what is missing of the distribution's packages
	scripts/install --tests

test: install venv ## all tests, in parts side by side; as root (PARTS="tests/e2e/docker tests/cli": these)
	scripts/test $(PARTS)

test-fast-path: install venv ## what tests of labs look at, with the fast path on wherever no test says otherwise; as root
	FAST_PATH=on $(BIN)/pytest -q tests/netns/agent $(addprefix tests/e2e/,overlay routers routing docker doors)

test-kernel: venv ## Sealane on the kernel's openvswitch, in a guest that qemu emulates; as root, 10 minutes
	scripts/install --kernel
	scripts/kvm-guest --accel $(ACCEL) --memory 4096 --timeout 2400 -- scripts/kernel-mode $(CHAPTERS)

clients: venv ## gophercloud and Ansible, unmodified, as a tenant in a lab; as root
	scripts/install --clients
	$(BIN)/python -m clients

bench: install venv ## the benchmarks, on labs of their own: tables, and bench/results/*.json; as root
	$(BIN)/python -m bench $(CHAPTERS)

bench-data: install venv ## what crosses the wire, beside Docker's networks and the bare underlay; as root, 30 minutes (FULL=1 all cells of all arms)
	$(BIN)/python -m bench data $(if $(FULL),,--quick) $(OPTIONS)

soak: venv ## campaigns of half an hour and more; as root; results in bench/results/soak-*.json
	$(BIN)/python -m soak

faults: install venv ## all faults at all points, on a lab of two hosts (hours; EVERY=5 tries each fifth); as root
	$(BIN)/python -m faults --every $(or $(EVERY),1) $(CAMPAIGNS)

clean: ## remove what is made here, the virtual environment too
	rm -rf $(VENV) *.egg-info build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

format: venv ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bpf: venv ## compile the fast path's programs anew after a change of theirs; needs clang
	$(BIN)/python -m sealane.fastpath.build

shims: venv ## compile the programs that container runtimes start anew after a change of theirs; needs clang
	$(BIN)/python -m sealane.shims.build

docs: venv ## the pages of docs/reference that are made from the code
	$(BIN)/sealane reference commands > docs/reference/commands.md
	$(BIN)/sealane reference settings > docs/reference/settings.md

demo: install $(VENV)/.installed ## two lab hosts with a Docker engine each, whose containers reach each other; as root
	$(BIN)/python scripts/demo

two-tier: install $(VENV)/.installed ## an application of two tiers by OpenStack's own tools, proved by its traffic; as root
	$(BIN)/python scripts/two-tier
