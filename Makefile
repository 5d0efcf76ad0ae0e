# The whole command line. `make` alone prints it; the work is done by `python -m common` and `python -m loadtests`,
# which check every variable's name and value.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# What the user gave on the command line, and how many jobs: handed on to the verbs.
export MAKE_GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v)))
export MAKE_JOBS = $(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS)))

VENV := .venv
READY := $(VENV)/ready
COMMON := $(VENV)/bin/python -m common
LOADTESTS := $(VENV)/bin/python -m loadtests

.PHONY: help
help:
	@awk -f docker/help.awk $(MAKEFILE_LIST)

# The harness in an environment of its own: uv from the package index, everything else from the hashed lock.
$(READY): requirements.lock
	@echo "setting up $(VENV) (once)"
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, python3 is " + sys.version.split()[0])'
	@python3 -m venv $(VENV) && $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && touch $@

##@ Look around
.PHONY: list lock
list: $(READY) ## What there is: frameworks, servers, images, and what is not available | FORMAT=text
	@$(COMMON) list
lock: $(READY) ## Pin a framework's packages, with hashes, in its folder | FRAMEWORK=all
	@$(COMMON) lock

##@ Build
.PHONY: build bases
build: $(READY) ## An image of every framework on every base (-j for several at once) | FRAMEWORK=all SERVER=default IMAGE=all PYTHON=3.13 BASE_REGISTRY= BASE=
	@$(COMMON) build
bases: $(READY) ## Stand-in base images, for a machine that reaches no container registry | PYTHON=3.13
	@$(COMMON) bases
