# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

# Each target does its own set-up. PYTHON names the interpreter (3.11 or newer) that .venv is made with.
PYTHON ?= python3
export PYTHON
# Ansible insists on a UTF-8 locale; bare machines have none set.
export LC_ALL := C.UTF-8
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-long lint test-unit test-integration lab test-lab lab-shell bench docs changelog zipapp \
	format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

venv: ## .venv with Ansible, the libraries and the test tools
	@dev/make-venv

demo: ## back up, change, back up again and restore an image file; DEMO_REMOTE=s3 for an S3 server
	@dev/demo

test: ## lint, test-unit, test-integration and test-lab, with one sum at the end
	@dev/test lint test-unit test-integration test-lab

test-long: ## what takes too long for test, in hours; some: make test-long LONG="kills lab"; a list: LONG=--list
	@dev/test-long $(LONG)

lint: ## the static gates; some of them: make lint GATES="ruff mypy"
	@dev/lint $(GATES)

test-unit: ## tests/unit
	@dev/test-unit

test-integration: ## tests/integration and tests/faults with a real S3 server; some: TARGETS="remote backup"
	@dev/test-integration $(TARGETS)

lab: venv ## build the guests that the tests of real LVM and ZFS run in (tests/lab/README.md)
	@.venv/bin/python tests/lab/build.py

test-lab: ## tests/lab: real LVM thin pools and ZFS, in guests; some: make test-lab PYTEST="-k thin"
	@dev/test-lab $(PYTEST)

lab-shell: venv ## a prompt in a guest with a thin pool and a zpool
	@.venv/bin/python tests/lab/run.py --shell

bench: venv ## speed and memory, compared with plain tools
	@.venv/bin/python tests/bench/run.py $(BENCH)

docs: ## the guides and the modules' reference as a site in build/docs
	@dev/docs

changelog: ## write CHANGELOG.md from the fragments in changelogs/
	@dev/changelog

zipapp: venv ## the single-file program build/snapship
	@.venv/bin/python dev/zipapp.py build/snapship

format: venv ## bring the Python files into the form that lint wants
	@.venv/bin/ruff check --quiet --fix --select I,UP . && .venv/bin/ruff format --quiet .

clean: ## remove what the other targets made here
	rm -rf build .venv
