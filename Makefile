# The whole command line. `make` alone prints it; the work is done by `python -m common` and `python -m loadtests`.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON_BIN := python3
RUN := .venv/bin/python -m
READY := .venv/ready

# What the user gave on the command line, handed on by name and value: the verbs check names and values.
export MAKE_GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v)))
export MAKE_JOBS = $(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS)))

.PHONY: help
help:
	@awk -f docker/help.awk $(MAKEFILE_LIST)
