# Everything that the README's commands do. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
SUBNET ?= 192.168.100.0/24
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_ALLOW_BROKEN_CONDITIONALS := false

.PHONY: help lab lab-down test lint unit sanity keywords molecule archive bench setup setup-venv clean

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup-venv:
	@tools/venv

setup:  ## Make .venv, and a Docker engine and the node image where they are missing
	@tools/venv
	@tools/engine
	@tools/node-image

lab: setup  ## Make the two-node lab in containers, deploy it, and show who owns what
	@python tools/sources inventories/lab/group_vars/all/made-sources.yml
	@python tools/lab up $(SUBNET)
	@set -o pipefail; ansible-playbook site.yml -i inventories/lab | tee .state/lab.log
	@printf '\n'; sed -n '/- VIP  /,/^$$/s/^ *- //p' .state/lab.log

lab-down: setup-venv  ## Remove the lab
	@python tools/lab down
	@rm -f inventories/lab/group_vars/all/made-sources.yml

test: lint unit sanity archive keywords molecule  ## Run every test

lint: setup-venv  ## yamllint, ansible-lint and the changelog fragments
	yamllint --strict .
	ansible-lint --offline --strict
	antsibull-changelog lint

unit: setup-venv  ## Unit tests, those of host-side code under every Python found
	tools/unit

sanity: setup-venv  ## ansible-test sanity
	tools/sanity

archive: setup-venv  ## Build the collection's archive, install it, look what it holds
	tools/archive

keywords: setup-venv  ## Every keyword, the examples and a known fault, through real builds of keepalived
	@tools/keepalived-builds
	python -m pytest -q -p no:cacheprovider tests/keywords tests/faults

molecule: setup-venv  ## The scenarios: a pair in every failure, two clusters side by side, firewalls and networkd
	molecule test
	molecule test -s cluster
	molecule test -s surroundings

bench: setup-venv  ## Measure what is claimed of speed
	python bench/plan.py

clean: lab-down  ## Remove what the tools made: environment, images, state
	-docker image rm vipkit-node:bookworm vipkit-base:bookworm
	rm -rf .venv .state .ansible .cache
