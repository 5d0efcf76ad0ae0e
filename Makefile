# Every command is one of `python -m loadtests`, which checks names and values; `make help` prints them all.

override SHELL := bash
override .SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# What was given on the command line, quoted by make as for a make that it starts: make would run a $(shell ...) in it
# when it expands it, which it does with what it exports, or keeps in its own variables. Commands read it unexpanded.
override MAKE_GIVEN := $(-*-command-variables-*-)
export MAKE_GIVEN
override OF_ORIGIN = $(foreach _,$(.VARIABLES),$(if $(filter $1,$(firstword $(origin $(_)))),$(_)))
override GIVEN := $(call OF_ORIGIN,command)
unexport $(call OF_ORIGIN,command automatic)
$(if $(filter MAKEFLAGS,$(GIVEN)),$(error MAKEFLAGS= is no variable of make's commands: give its options to make))
# These make expands by itself.
override undefine MAKEOVERRIDES
override undefine VPATH
override undefine GPATH
override undefine .EXTRA_PREREQS

# Whether a variable is on, as commands read it: one in the environment may be another program's and does not count.
override ON := 1 yes Yes YES y Y true True TRUE t T
override OFF := 0 no No NO n N false False FALSE f F
override IS_ON = $(and $(filter $1,$(GIVEN)),$(if $(filter $(ON) $(OFF),$(value $1)),$(filter $(ON),$(value $1)),\
  $(error invalid $1=$(value $1): must be 1 or 0)))
# Stop at a variable that a target of this file, which takes only these, would ignore.
override ONLY = $(foreach _,$(firstword $(filter-out $1,$(GIVEN))),$(error $(_)= is no variable of make $@; \
  a setting of tests goes before it, as in REQUIRE_DOCKER=1 make test))

override VENV := .venv
override READY := $(VENV)/ready
override DEV_READY := $(VENV)/ready-dev
override PYTHON_M := $(VENV)/bin/python -m
# Without the user's settings that would install elsewhere or something else; those of the index stay.
override PIP := env $(foreach _,USER TARGET PREFIX ROOT EDITABLE REQUIREMENT CONSTRAINT NO_BINARY ONLY_BINARY DRY_RUN \
  REQUIRE_VIRTUALENV UPGRADE IGNORE_INSTALLED NO_DEPS,-u PIP_$(_)) $(PYTHON_M) pip install --no-user -qq --disable-pip-version-check --no-deps
override XDIST = --numprocesses=$$((2 * $$(nproc)))
override COVERED := common/catalog/*,common/records/**,loadtests/statistics/*,loadtests/analysis/*,loadtests/campaign/*,loadtests/capacity/*
override COMPILE := $(PYTHON_M) uv pip compile -q --universal --fork-strategy=fewest --generate-hashes --no-header --no-emit-index-url

# Every goal that is not one of this file's is a command, which need not exist: the nearest one is suggested then.
override OWN := test lint format lock-harness clean $(READY) $(DEV_READY)
override COMMANDS := $(filter-out $(OWN),$(or $(MAKECMDGOALS),$(.DEFAULT_GOAL)))

.PHONY: $(COMMANDS) test lint format lock-harness clean

$(COMMANDS): $(READY)
	@$(PYTHON_M) loadtests '$(subst ','\'',$@)'

# The harness in an environment of its own, with what its hashed lock names; then what its development needs.
$(READY): requirements.lock pyproject.toml
	@echo "setting up $(VENV), once" >&2
	@python3 -c 'import sys; sys.version_info < (3, 11) and sys.exit("python3 is " + sys.version.split()[0] + "; 3.11 or newer is needed")'
	@python3 -m venv $(VENV) && $(PIP) --require-hashes -r $< >&2 && $(PIP) --no-build-isolation --editable . >&2
	@touch $@
$(DEV_READY): requirements-dev.lock $(READY)
	@$(PIP) --require-hashes -r $< >&2 && touch $@

test: $(DEV_READY) ## Run the quick tests; with ALL=1 the slow ones before, and show the coverage of the quick ones
	@$(call ONLY,ALL)$(if $(call IS_ON,ALL),$(PYTHON_M) pytest -m "slow and parallel" $(XDIST) --dist=worksteal --durations=15)
	@$(if $(call IS_ON,ALL),$(PYTHON_M) pytest -m "slow and not parallel" --durations=15)
	@$(PYTHON_M) pytest -m "not slow" $(XDIST) $(if $(call IS_ON,ALL),--cov --cov-report=)
	@$(if $(call IS_ON,ALL),$(PYTHON_M) coverage report --format=total | sed 's/.*/coverage of all packages: &%/')
	@$(if $(call IS_ON,ALL),$(PYTHON_M) coverage report --skip-covered --fail-under=95 --include='$(COVERED)')
lint: $(DEV_READY) ## Check style, types and imports, as every commit passes them
	@$(ONLY)$(PYTHON_M) ruff check && $(PYTHON_M) ruff format --check && $(PYTHON_M) mypy && $(VENV)/bin/lint-imports --no-logo
format: $(DEV_READY) ## Format the code and apply automatic fixes
	@$(ONLY)$(PYTHON_M) ruff format && $(PYTHON_M) ruff check --fix
lock-harness: $(DEV_READY) ## Pin the packages of the harness itself, after a change of pyproject.toml
	@$(ONLY)$(COMPILE) --group build pyproject.toml -o requirements.lock
	@$(COMPILE) --group build --group dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock
clean: ## Remove environments, caches and unpublished results, with CACHE=1 the stacks' environments alone; images stay
	@$(call ONLY,CACHE)python3 -B -m common.host.run_lock clean rm -rf $(if $(call IS_ON,CACHE),\
	  .cache/environments .cache/variants .cache/checkouts,\
	  $(VENV) .cache .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache loadtests/results)
