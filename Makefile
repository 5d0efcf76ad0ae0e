# The whole command line; `make` alone prints it. The work is done by `python -m common` and `python -m loadtests`,
# which check the names and values of variables.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# What the user gave on the command line is handed on to the verbs; -j4 is 4 jobs, -j alone as many as there are cores.
export MAKE_GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v)))
JOBS = $(or $(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS))),$(if $(filter -j,$(MAKEFLAGS)),$(shell nproc),1))

VENV := .venv
READY := $(VENV)/ready
PYTHON_M := $(VENV)/bin/python -m

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## | [|] "; print "make VERB [NAME=value ...]; names match whatever their case, - or _; several are joined by commas" } \
	  /^##@/ { print "\n" substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2; if ($$3) printf "  %-15s   %s\n", "", $$3 }' $(MAKEFILE_LIST)

# The harness in an environment of its own, with what its hashed lock names.
$(READY): requirements.lock
	@echo "setting up $(VENV), once"
	@python3 -c 'import sys; sys.version_info < (3, 11) and sys.exit("python3 is " + sys.version.split()[0] + "; 3.11 or newer is needed")'
	@python3 -m venv $(VENV) && $(PYTHON_M) pip install -qq --disable-pip-version-check --require-hashes -r $< && touch $@

##@ Look around
.PHONY: list lock
list: $(READY) ## Frameworks, servers and images; what is not available, and why | FORMAT=text
	@$(PYTHON_M) common list
lock: $(READY) ## Pin each framework's packages, with hashes, in its folder | FRAMEWORK=all
	@$(PYTHON_M) common lock

##@ Build
.PHONY: build bases
build: $(READY) ## Images, several at once with -j | FRAMEWORK=all SERVER=default IMAGE=all PYTHON=3.13 BASE_REGISTRY= BASE=
	@$(PYTHON_M) common build --jobs=$(JOBS)
bases: $(READY) ## Stand-in base images where no container registry is reached | PYTHON=3.13
	@$(PYTHON_M) common bases

##@ Run
.PHONY: serve conformance
serve: $(READY) ## Bring one stack up until Ctrl-C | FRAMEWORK= SERVER=default RUNTIME=auto IMAGE=slim VCPU=1 MEMORY= PORT=8000 PYTHON=3.13
	@$(PYTHON_M) common serve
conformance: $(READY) ## Hold stacks to the contract | FRAMEWORK=all SERVER=default RUNTIME=auto IMAGE=slim PYTHON=3.13, or URL=
	@$(PYTHON_M) common conformance

##@ Measure
.PHONY: loadtest latency workers causes startup memory sizes money compare web publish
loadtest: $(READY) ## Conformance, then load in shuffled rounds; a table | FRAMEWORK=all SERVER=default RUNTIME=auto IMAGE=slim SCENARIO=hello VCPU=1 MEMORY= USERS=16 DELAY=100 RATE= ARRIVALS= OBJECTIVE= ROUNDS= BUDGET= PRECISION= MARGIN=5% SEED= TOOL=locust WORKERS=0 OUT= RESUME= PYTHON=3.13
	@$(PYTHON_M) loadtests loadtest
latency: $(READY) ## Open-loop response times by vCPU, nginx as the floor; a table | FRAMEWORK=all SERVER=default RUNTIME=auto IMAGE=slim VCPU=0.25,0.5,1,2 MEMORY= RATE=100 ROUNDS=5 SEED= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests latency
workers: $(READY) ## Workers against vCPU for one stack, with a recommendation | FRAMEWORK= SERVER=default RUNTIME=auto IMAGE=slim VCPU=0.25,0.5,1,2 WORKERS=1,2,3,5 ROUNDS=5 SEED= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests workers
causes: $(READY) ## What moves response times in small containers, one change at a time | FRAMEWORK=flask_restful SERVER=gunicorn-sync IMAGE=slim ROUNDS=5 SEED= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests causes
startup: $(READY) ## Time to the first answer on fresh servers, by phase (5 rounds, 10 on Fargate); pulls over a link (100mbit,1gbit,full) | FRAMEWORK=all SERVER=default IMAGE=slim RUNTIME=auto VCPU=1 MEMORY= CACHE= BANDWIDTH= ROUNDS= SEED= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests startup
memory: $(READY) ## Memory held idle and after 1,000 requests, by workers; the smallest limit that suffices | FRAMEWORK=all SERVER=default IMAGE=slim RUNTIME=auto VCPU=1 WORKERS=1,2 LIMIT=yes ROUNDS=3 SEED= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests memory
sizes: $(READY) ## Bytes of libraries and images: unpacked, compressed, over the base; the biggest packages | FRAMEWORK=all SERVER=default IMAGE=all REGISTRY= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests sizes
money: $(READY) ## Dollars for a million requests and an idle month, from a finished run; the cheapest size | RUN=latest RATE= P99= UTILISATION=0.5
	@$(PYTHON_M) loadtests money
compare: $(READY) ## Is B faster than A, slower or neither: NAME, NAME+SERVER, NAME@VERSION, NAME:IMAGE, NAME:py3.12, ./FOLDER or a run | A= B= SERVER=default RUNTIME=auto SCENARIO=hello VCPU=1 MEMORY= USERS=16 DELAY=100 ROUNDS= BUDGET=11m MARGIN=5% FAIL_IF_SLOWER= SEED= OUT= RESUME=
	@$(PYTHON_M) loadtests compare
web: $(READY) ## Locust's web UI on one stack until Ctrl-C | FRAMEWORK= SERVER=default RUNTIME=auto IMAGE=slim VCPU=1 MEMORY= PORT=8089 PYTHON=3.13
	@$(PYTHON_M) loadtests web
publish: $(READY) ## A finished run as the README's table | RUN=latest
	@$(PYTHON_M) loadtests publish

##@ The load generator itself
.PHONY: crosscheck bench-generator master worker generator
crosscheck: $(READY) ## Ours and wrk in turn on one stack; the ratio of what they say | FRAMEWORK= SERVER=default RUNTIME=auto IMAGE=slim SCENARIO=hello VCPU=1 MEMORY= USERS=16 DELAY=100 ROUNDS=8 SEED= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests crosscheck
bench-generator: $(READY) ## Requests per CPU-second of ours, Locust's clients, wrk and h2load | ROUNDS=5 SECONDS=2 SEED=
	@$(PYTHON_M) loadtests bench-generator
master: $(READY) ## One window on a server elsewhere, by workers elsewhere | URL= EXPECT= SCENARIO=hello USERS=64 DELAY=100 WARMUP=2 WINDOW=10 BIND=127.0.0.1:5557 PATIENCE=300 OUT=
	@$(PYTHON_M) loadtests master
worker: $(READY) ## Join a master, from this machine or another | MASTER= WORKERS=1 PATIENCE=300
	@$(PYTHON_M) loadtests worker
generator: $(READY) ## The image for masters, workers and LOAD_FROM=task, pushed where there is a REGISTRY= | REGISTRY= PYTHON=3.13
	@$(PYTHON_M) loadtests generator

##@ On ECS Fargate, with RUNTIME=fargate too: REGION= CLUSTER=default SUBNETS= SECURITY_GROUPS= ASSIGN_PUBLIC_IP=enabled REGISTRY= EXECUTION_ROLE= LOG_GROUP= LOAD_FROM=here ARCHITECTURE=auto MAX_DOLLARS= DRY_RUN=False
.PHONY: experiment fargate-clean
experiment: $(READY) ## What image-size, vcpu or endpoints do to the start of tasks; a table | NAME= FRAMEWORK=flask_restful SERVER=default IMAGE= VCPU= MEMORY= TASKS=10 ENDPOINT_SUBNETS= ENDPOINT_SECURITY_GROUPS= SEED= OUT= PYTHON=3.13
	@$(PYTHON_M) loadtests experiment
fargate-clean: $(READY) ## Remove what killed runs left on AWS, found by tag | REGION= CLUSTER=default EVERYONES=False DRY_RUN=False
	@$(PYTHON_M) common fargate-clean

##@ Hand on
.PHONY: push
push: $(READY) ## Images into a registry (ECR: the repository is created if missing), and what they weigh there | REGISTRY= FRAMEWORK=all SERVER=default IMAGE=all PYTHON=3.13 ECR=auto
	@$(PYTHON_M) common push

##@ Keep in order
.PHONY: test lint format records clean
test: $(READY) ## The harness's own tests (REQUIRE_DOCKER=1 in the environment: none is skipped for want of Docker)
	@$(PYTHON_M) pytest
lint: $(READY) ## ruff and mypy, as every commit passes them
	@$(PYTHON_M) ruff check && $(PYTHON_M) ruff format --check && $(PYTHON_M) mypy
format: $(READY) ## Let ruff format and mend what it can
	@$(PYTHON_M) ruff format && $(PYTHON_M) ruff check --fix
records: $(READY) ## Write loadtests/RECORDS.md and loadtests/schemas/, which document what a run writes
	@$(PYTHON_M) loadtests records
clean: ## Remove environments, caches and unpublished results; images stay
	@rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache loadtests/results
