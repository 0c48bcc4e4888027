# Everything that the README's commands do. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
SUBNET ?= 192.168.100.0/24
# the longest first
SCENARIOS := default builds operate balancer cluster debian13 debian11 surroundings
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_ALLOW_BROKEN_CONDITIONALS := false
export PYTEST_ADDOPTS ?= --durations=12

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

test: setup-venv  ## Run every test, as many at once as there are cores
	@tools/at-once lint archive molecule-default unit $(filter-out molecule-default,$(SCENARIOS:%=molecule-%)) sanity keywords

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

molecule: setup-venv  ## The scenarios: a pair in every failure on each platform, two clusters side by side, firewalls and networkd
	@tools/at-once $(SCENARIOS:%=molecule-%)

molecule-%: setup-venv
	molecule test -s $*

bench: setup  ## Measure what is claimed of speed: planning, requests a second, failover, and site.yml beside the procedure by hand
	python bench/plan.py
	python bench/request_rate.py --write docs/benchmarks.md --json .state/bench/requests.json
	python bench/failover.py --write docs/benchmarks.md --json .state/bench/failover.json
	python bench/deploy.py --repeat 3 --write docs/benchmarks.md --json .state/bench/figures.json

clean: lab-down  ## Remove what the tools made: environment, images, state
	-docker image rm $(foreach suite,bullseye bookworm trixie,vipkit-node:$(suite) vipkit-base:$(suite))
	rm -rf .venv .state .ansible .cache
