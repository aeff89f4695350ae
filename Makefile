# Every entry point of the repository; `make` prints them.
SHELL := /bin/bash
PROFILES ?= lakehouse
INVENTORY ?= local
ARGS ?=
PLAYBOOK = cd ansible && ../.venv/bin/ansible-playbook

.DEFAULT_GOAL := help
.PHONY: lab nodes lab-stop lab-destroy test-lab test-streams test-long
.PHONY: help bootstrap demo install deploy start stop rolling reset destroy status check fix test benchmark clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap:
	@scripts/bootstrap

demo: install ## install the lab and run project lakehouse (your files: QUINTET_INPUT=DIR)
	@./quintet run lakehouse $(if $(QUINTET_INPUT),--input "$(QUINTET_INPUT)")
	@./quintet verify lakehouse

install: bootstrap ## install or converge the lab (PROFILES=lakehouse ARGS='-e name=value')
	@$(PLAYBOOK) site.yml -e profiles=$(PROFILES) $(ARGS)

deploy: bootstrap ## deploy changed DAGs, jobs and models only
	@$(PLAYBOOK) site.yml -e profiles=$(PROFILES) --tags deploy $(ARGS)

start: bootstrap ## start the services
	@$(PLAYBOOK) playbooks/start.yml $(ARGS)

stop: bootstrap ## stop the services, keep everything
	@$(PLAYBOOK) playbooks/stop.yml $(ARGS)

rolling: bootstrap ## restart node by node while the lab is whole (INVENTORY=compose, ARGS='--limit …' to go on)
	@$(PLAYBOOK) playbooks/rolling.yml -i inventories/$(INVENTORY) $(ARGS)

reset: bootstrap ## throw the data away, keep programs and backups (PROFILES as installed)
	@$(PLAYBOOK) playbooks/reset.yml -e profiles=$(PROFILES) $(ARGS)

destroy: bootstrap ## throw the whole lab away, keep backups (asks for its name)
	@$(PLAYBOOK) playbooks/destroy.yml $(ARGS)

lab: ## install or converge the lab on five containers (PROFILES, ARGS as for install)
	@scripts/lab up
	@$(PLAYBOOK) site.yml -i inventories/compose -e profiles=$(PROFILES) $(ARGS)
	@scripts/lab doors

nodes: bootstrap ## install or converge the lab on five machines (inventories/homelab; PROFILES, ARGS as for install)
	@$(PLAYBOOK) site.yml -i inventories/homelab -e profiles=$(PROFILES) $(ARGS)

lab-stop: ## stop the five containers, keep everything
	@scripts/lab stop

lab-destroy: ## throw the five containers away with all that they hold
	@scripts/lab destroy

test-lab: bootstrap ## stand the lab of five containers up and test it
	@scripts/test nodes

test-streams: bootstrap ## stand a lab with streams up, kill and spoil what streams, and assert that nothing is lost
	@scripts/test streams

test-long: bootstrap ## the tests that make test leaves out for their time, on Spark, in the suites and on a lab
	@scripts/test long

status: bootstrap ## show the services
	@./quintet status

check: ## static checks, edits nothing
	@scripts/check

fix: ## apply what the static tools can mend
	@scripts/check --fix

test: ## everything that CI runs
	@scripts/test

benchmark: ## measure, write docs/benchmarks
	@scripts/benchmark

clean: ## remove the environments of this clone
	@rm -rf .venv .venv-* .bootstrap.lock
