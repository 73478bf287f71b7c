# make run    the portal for a demonstration or for development, on this machine alone
# make test   every test on real services, then lint
# make attack the attack suite alone, with larger bursts, and its table
PYTHON ?= $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(python) -c 'import sys; sys.version_info < (3, 11) or print("$(python)")' 2>/dev/null)))
PORT ?= 8000
THREADS ?= 8
BIN = .venv/bin
PIP = $(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade

.PHONY: run test attack lint format clean

run: .venv/run.stamp
	@set -e; mkdir -p data; \
	export DEBUG=1 PUBLIC_URL=http://localhost:$(PORT); \
	$(BIN)/python manage.py migrate --verbosity 0; \
	{ $(BIN)/python manage.py demo && $(BIN)/python manage.py import_feed portal/demo/feed --rejects data/rejets; } >data/demo.log \
		|| { cat data/demo.log; exit 1; }; \
	$(BIN)/granian --interface wsgi --host 127.0.0.1 --port $(PORT) --workers 1 \
		--blocking-threads $(THREADS) --no-ws --log-level error portal.wsgi:application & web=$$!; \
	trap 'trap - EXIT; kill $$web 2>/dev/null; wait' EXIT; trap 'exit 0' INT TERM HUP; \
	until $(BIN)/python -c 'import urllib.request as u; u.urlopen("$(LIVE)")' 2>/dev/null; do \
		kill -0 $$web 2>/dev/null || exit 1; sleep 0.2; done; \
	echo "Le portail est ouvert : http://localhost:$(PORT) (Ctrl+C pour l'arrêter)."; \
	wait $$web

LIVE = http://127.0.0.1:$(PORT)/sante/vivant/

test: .venv/test.stamp
	@$(BIN)/python -m pytest --numprocesses logical $(ARGS)
	@$(MAKE) --no-print-directory lint

attack: .venv/test.stamp
	@ATTACK=long $(BIN)/python -m pytest tests/attack $(ARGS)

lint: .venv/test.stamp
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "make format puts the files in shape."; exit 1; }

format: .venv/test.stamp
	@$(BIN)/ruff check --quiet --fix
	@$(BIN)/ruff format --quiet

clean:
	rm -rf .venv data

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 ou plus récent est nécessaire."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.txt | .venv/bin/python
	@echo "Installation des bibliothèques…"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/test.stamp: requirements.txt requirements-dev.txt | .venv/bin/python
	@$(PIP) -r requirements-dev.txt
	@touch $@ .venv/run.stamp
