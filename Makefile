.DEFAULT_GOAL := help
SHELL := bash

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

setup: ## dependencies, and for a deployment: .env, hosts and local certificates (scripts/setup-env)
	@scripts/setup
	@scripts/setup-env

demo: ## the main job from sign-in to a refused stranger, on real processes, then stop (SEED= for another world)
	@scripts/setup
	@.venv/bin/keyway-standalone demo $(if $(SEED),--seed $(SEED))

up: ## start everything on this machine and leave it running
	@scripts/setup
	@.venv/bin/keyway-standalone up

dev: ## like up, restarting the backend when its code changes
	@scripts/setup
	@.venv/bin/keyway-standalone up --reload

dev-backend: ## the backend alone, from the variables of .env
	@scripts/setup
	@scripts/dev backend

dev-dashboard: ## the dashboard alone, from the variables of .env
	@scripts/setup
	@scripts/dev dashboard

test: ## set up, check, and run the suite
	@scripts/setup
	@scripts/browser
	@scripts/test

prove: ## the long runs
	@scripts/setup
	@scripts/prove

lint: ## ruff, mypy, import contracts, house rules
	@scripts/setup
	@scripts/lint

docs: ## the pages of docs/ that are made from code
	@scripts/setup
	@.venv/bin/python scripts/api_page.py
	@.venv/bin/python scripts/configuration_page.py
	@.venv/bin/python scripts/cli_page.py
	@.venv/bin/python scripts/mcp_page.py

assets: ## the static files of the dashboard, from pinned npm packages (needs Node; what is built is committed)
	@scripts/assets

screenshots: ## pictures of the dashboard in a seeded world, to out/screenshots
	@scripts/setup
	@scripts/browser
	@.venv/bin/python scripts/screenshots.py

bench: ## every speed figure, beside its floor, in one run
	@scripts/setup
	@.venv/bin/python -m bench

.PHONY: help setup demo up dev dev-backend dev-dashboard test prove lint docs assets screenshots bench
