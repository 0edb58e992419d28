# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

# Each target does its own set-up. PYTHON names the interpreter (3.11 or newer) that .venv is made with.
PYTHON ?= python3
export PYTHON
# Ansible insists on a UTF-8 locale; bare machines have none set.
export LC_ALL := C.UTF-8
.DEFAULT_GOAL := help
.PHONY: help venv clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

venv: ## .venv with Ansible, the libraries and the test tools
	@dev/make-venv

clean: ## remove what the other targets made here
	rm -rf build .venv
