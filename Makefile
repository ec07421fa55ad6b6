# Each target sets up what it needs; PYTHON picks the interpreter (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCHMARKS := bench-fisher bench-matrix bench-calibration bench-stopping bench-recommendation bench-ranking \
	bench-fuse bench-depthwise bench-steps bench-evaluation bench-screen bench-strategies \
	bench-warm_start bench-forecast bench-little bench-service bench-stage_ends bench-job bench-transfer

.DEFAULT_GOAL := help

.PHONY: help install demo test quick test-long e2e screenshots chaos chaos-freezes fuzz check lint reference lint-deployment deploy undeploy test-compose chaos-compose bench $(BENCHMARKS) paper paper-registry starter format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  bench-NAME         one benchmark: $(patsubst bench-%,%,$(BENCHMARKS))' | fold -s -w 110

install: $(VENV)/.installed ## the project and all its tools, into .venv (6 GB, most of it torch)
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "ldnas needs Python 3.11 to 3.13; name one with: make PYTHON=python3.12 install")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing into $(VENV): some minutes and 6 GB the first time, most of it torch'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install ## the whole service once, on handwritten digits
	$(BIN)/ldnas demo

# Two tests at a time, each computing on one thread: small tensors gain nothing from more.
test: install ## the tests, with their own PostgreSQL and Valkey servers
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal --durations 15

# What `make test` leaves out for its length: more stages to kill and to cancel in.
test-long: install ## the tests that `make test` leaves out for their length
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long

# The dashboard in a real Chromium: Debian's, where it is installed or may be, or the one that LDNAS_CHROMIUM names.
e2e: $(VENV)/.e2e ## the dashboard in a real Chromium
	@test -n "$$LDNAS_CHROMIUM" || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		{ test "$$(id -u)" = 0 && apt-get install --yes --quiet chromium >/dev/null; } || \
		{ echo 'no Chromium: install it (Debian: apt-get install chromium), or name one in LDNAS_CHROMIUM'; exit 1; }
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m e2e tests/e2e

# Pictures of the dashboard's pages for the README: docs/pictures, from a service that computes for them some minutes.
screenshots: $(VENV)/.e2e ## the README's pictures, into docs/pictures
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.e2e.pictures

$(VENV)/.e2e: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[e2e]'
	@touch $@

# Breaks the running service at random and counts what was lost or done twice; 100 rounds take 10 to 30 minutes, with
# RUNNERS=real (nothing of a job is shortened) about a minute each on a machine with nothing else to do.
ROUNDS ?= 13
SEED ?= 1
RUNNERS ?= short

chaos: install ## breaks the running service at random: ROUNDS=13 SEED=1 RUNNERS=short
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) --runners $(RUNNERS) --save

# The same with faults that end no process: something is frozen or falls silent, in half of the rounds inside a transaction.
chaos-freezes: install ## freezes processes, servers and the network at random
	$(BIN)/python -m tests.chaos --freezes --rounds $(ROUNDS) --seed $(SEED) --runners $(RUNNERS) --save

# Looks for answers outside the OpenAPI document, and for inputs that no reader names a refusal for: SECONDS each.
SECONDS ?= 600

fuzz: $(VENV)/.fuzz ## fuzzes the API and every reader: SECONDS=600
	@status=0; $(BIN)/python -m tests.fuzz.readers --seconds $(SECONDS) --seed $(SEED) || status=1; \
	$(BIN)/python -m tests.fuzz.service --seconds $(SECONDS) --seed $(SEED) --report var/fuzz/service || status=1; \
	exit $$status

$(VENV)/.fuzz: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	@touch $@

# An environment of its own, since these tools need nothing of the project.
LINT_BIN := .venv-lint/bin

lint: .venv-lint/.installed ## ruff and the import contracts alone, without torch, in seconds
	$(LINT_BIN)/ruff format --check .
	$(LINT_BIN)/ruff check .
	$(LINT_BIN)/lint-imports

.venv-lint/.installed: constraints.txt
	@test -x $(LINT_BIN)/python || $(PYTHON) -m venv .venv-lint
	@$(LINT_BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt ruff import-linter
	@touch $@

quick: install ## the tests of the science and the client that need no process and no database, without the exporters: under two minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m quick tests/ldnas tests/service/client --ignore tests/ldnas/export

check: install ## ruff, mypy and the import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Writes docs/reference/*.md from the code; `make test` compares them.
reference: install ## docs/reference/*.md, from the code
	$(BIN)/python -m docs.reference

# The compose file, the Kubernetes folder, the Dockerfiles and the images' packages; `make test` has this too.
lint-deployment: install ## the compose file, the Kubernetes folder, the Dockerfiles and the images' packages
	$(BIN)/python -m pytest tests/deployment -m 'not system'

bench: install ## the demo as a benchmark, over five seeds
	$(BIN)/python -m benchmarks.demo

# The other benchmarks, each minutes to an hour on two cores: make bench-fisher, make bench-ranking DATA=../data, …
# OPTIONS are the module's: make bench-service OPTIONS='--tasks 100 --ended 5000 --rounds 1'
WORK ?= var/bench
OPTIONS ?=

$(BENCHMARKS): $(VENV)/.bench
	$(BIN)/python -m benchmarks.$(@:bench-%=%) $(if $(DATA),--data $(DATA) --work $(WORK)/$(@:bench-%=%)) $(OPTIONS)

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	@touch $@

# The paper's experiments: make paper DATA=../data SCALE=small. What it finished is kept in var/paper, and it resumes from
# there. PAPER_OPTIONS are the program's: --plan (how long it should take), --until SECONDS, --processes 2, --report.
# PAPER_PYTHON names an interpreter that has torch, torchvision and pyarrow, where nothing can be installed.
SCALE ?= small
PAPER_OPTIONS ?=
PAPER_PYTHON ?= $(BIN)/python

paper: $(if $(filter $(BIN)/python,$(PAPER_PYTHON)),install) ## the paper's experiments: DATA=../data SCALE=small
	$(if $(DATA),,$(error name the folder with mnist/ and cifar10/ as Parquet: make paper DATA=../data))
	$(PAPER_PYTHON) -m benchmarks.paper --data $(DATA) --scale $(SCALE) $(PAPER_OPTIONS)

# The paper's eight tasks as a file that `ldnas registry import` takes: make paper-registry DATA=../data SCALE=small. What it
# finished is kept in var/paper/registry, and it resumes there. PAPER_OPTIONS are the program's: --network, --out, --work.
paper-registry: install ## the paper's eight tasks as a bundle: DATA=../data SCALE=small
	$(if $(DATA),,$(error name the folder with mnist/ and cifar10/ as Parquet: make paper-registry DATA=../data))
	$(BIN)/python -m benchmarks.paper.registry --data $(DATA) --scale $(SCALE) $(PAPER_OPTIONS)

# The starter memory that the package carries: make starter DATA=../data. What it finished is kept in var/starter, and it
# resumes there. STARTER_OPTIONS are the program's: --out, --cells, --images, --epochs, --rehearse, …
STARTER_OPTIONS ?=

starter: install ## the starter memory of cells, into ldnas/memory/starter: DATA=../data
	$(if $(DATA),,$(error name the folder with mnist/ and cifar10/ as Parquet: make starter DATA=../data))
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.starter --data $(DATA) --out ldnas/memory/starter $(STARTER_OPTIONS)

# The services of docker-compose.yml on this machine's Docker; LDNAS_DOCKER names another docker command.
DOCKER = $(or $(LDNAS_DOCKER),docker)

deploy: ## builds and starts the service with Docker Compose
	@sh deploy/prepare
	@$(DOCKER) compose up --build --detach --wait
	@$(DOCKER) compose ps
	@echo "ldnas answers at http://$$($(DOCKER) compose port api 8000); sign in there with the key in secrets/admin_key,"
	@echo 'or use the command line: export LDNAS_API_KEY=$$(cat secrets/admin_key)'

undeploy: ## ends it and keeps its data; with DELETE=data removes them too
	@$(DOCKER) compose down $(if $(filter data,$(DELETE)),--volumes)

# What the documents promise of Docker Compose, on a real engine, within 30 minutes. Where no base image can be pulled it builds
# stand-ins from Debian's packages (as root, with debootstrap). COMPOSE_FOLDER names a folder that the engine can see.
# SAVE=1 commits nothing, and writes benchmarks/results/DATE_compose.
test-compose: install ## the deployment on a real Docker engine
	LDNAS_TEST_COMPOSE=$(or $(COMPOSE_FOLDER),$(CURDIR)/var/compose) LDNAS_SAVE=$(SAVE) OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -m compose -x tests/compose

# Breaks the deployment at random while short jobs run, as root: it kills containers, cuts networks, fills volumes (small disks of
# its own), moves PostgreSQL's clock (Debian's libfaketime) and restarts the engine by LDNAS_RESTART_ENGINE='systemctl restart docker'.
# Without either of the two it leaves that fault out and says so. It writes benchmarks/results/DATE_chaos_compose.
FAULTS ?= 30
JOBS ?= 40

chaos-compose: install ## breaks the deployment on a Docker engine: FAULTS=30 JOBS=40 SEED=1
	LDNAS_TEST_COMPOSE=$(or $(COMPOSE_FOLDER),$(CURDIR)/var/compose) OMP_NUM_THREADS=1 \
		$(BIN)/python -m tests.compose.chaos --faults $(FAULTS) --jobs $(JOBS) --seed $(SEED) --save

format: install ## formats the code, and mends what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## removes .venv, var, build and dist
	rm -rf $(VENV) .venv-lint var build dist
