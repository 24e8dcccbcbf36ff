# Two commands matter: `make up` and `make test`. `make help` tells the others.

SHELL := /bin/bash
.DEFAULT_GOAL := help

export RUTTER_PORT ?= 6443
DATA ?= .rutter
PATH := $(CURDIR)/.cache/bin:$(PATH)
export PATH
export RUTTER_NATS_SERVER ?= $(CURDIR)/.cache/bin/nats-server

RUTTER := target/release/rutter
# The image rutter/demo:latest holds one static program; its own target directory keeps its flags from the others.
DEMO := target/static/release/demo
build-demo := RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --quiet -p rutter-demo --target-dir target/static

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: ## Build, start a one-machine cluster and wait until its node is Ready
	@scripts/preflight
	@scripts/install build
	@scripts/install run
	@echo "  building (the first time takes minutes)" >&2
	@$(build-demo)
	@cargo build --release --quiet --bin rutter
	@$(RUTTER) up --data $(DATA) --port $(RUTTER_PORT) --background --demo-image $(DEMO)

.PHONY: down
down: ## Stop the cluster and leave nothing of it running; keeps its data
	@if [ -x $(RUTTER) ]; then $(RUTTER) down --data $(DATA); fi

.PHONY: clean
clean: down ## Stop the cluster and remove its data
	@rm -rf $(DATA)

.PHONY: compose-up
compose-up: ## Build, start a cluster of many containers (needs docker) and wait until its 3 nodes are Ready
	@compose/cluster preflight
	@scripts/install build
	@scripts/install compose
	@echo "  building (the first time takes minutes)" >&2
	@$(build-demo)
	@cargo build --release --quiet --bin rutter
	@compose/cluster up

.PHONY: compose-down
compose-down: ## Stop that cluster and leave nothing of it running; keeps its log
	@compose/cluster down

.PHONY: compose-clean
compose-clean: ## Stop that cluster and remove its log
	@compose/cluster clean

.PHONY: tools
tools: ## Install what builds, clusters and tests need, and nothing else
	@scripts/install test

.PHONY: build
build: ## Build everything
	@scripts/install build
	cargo build --release --workspace

.PHONY: test
test: ## Install what the tests need, then run all of them
	@scripts/install test
	$(build-demo)
	cargo build --workspace --all-targets
	cargo test --workspace --no-fail-fast

.PHONY: test-crash
test-crash: ## Kill things under load RUNS times (default 20) and check that nothing acknowledged was lost
	@scripts/install test
	$(build-demo)
	cargo build --release --bin rutter --bin crash
	target/release/crash --runs $${RUNS:-20} --rutter $(RUTTER) --demo $(DEMO)

.PHONY: test-compose
test-compose: compose-up ## Tour that cluster, then kill its parts during rollouts
	cargo build --release --bin compose
	target/release/compose

.PHONY: test-twins
test-twins: ## Two active copies of every controller, one lagging: nothing happens twice, and without guards it does
	@scripts/install test
	cargo build --release --bin rutter --bin twins
	target/release/twins --seconds $${SECONDS_EACH:-60} --rutter $(RUTTER)
	target/release/twins --seconds $${SECONDS_EACH:-60} --rutter $(RUTTER) --guards off

.PHONY: test-stale
test-stale: ## Write here, read there, READS times (default 10000) while ledgers take over: no read is stale
	@scripts/install test
	cargo build --release --bin rutter --bin stale
	target/release/stale --reads $${READS:-10000} --rutter $(RUTTER)

.PHONY: test-leader
test-leader: ## Kill, then halt, the server that leads the stream, LOSSES times each (default 10): when writes are back
	@scripts/install test
	cargo build --release --bin rutter --bin leader
	target/release/leader --losses $${LOSSES:-10} --rutter $(RUTTER)
	target/release/leader --losses $${LOSSES:-10} --rutter $(RUTTER) --halt

.PHONY: test-verify
test-verify: ## EVENTS (default 1000000) of mixed traffic, then every projection against the log, byte for byte
	@scripts/install test
	cargo build --release --bin rutter --bin verify
	target/release/verify --events $${EVENTS:-1000000} --rutter $(RUTTER)

.PHONY: sim
sim: ## Run the simulator over SEEDS seeds (default 1000)
	@scripts/install build
	cargo run --profile fast -p rutter-sim --bin sim -- --seeds $${SEEDS:-1000}

.PHONY: api-table
api-table: ## Ask a gateway for every published operation and write docs/api.md
	@scripts/install test
	RUTTER_WRITE_API_TABLE=1 cargo test --workspace --test api -- every_published_operation

.PHONY: fuzz
fuzz: ## Fuzz what reads the bytes of clients, each target for FUZZ_SECONDS (default 60) and FUZZ_RUNS (1000000) at least
	@scripts/fuzz

.PHONY: check
check: ## Format, lint, licences and advisories
	@scripts/install build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; else echo "  cargo-deny is not installed: cargo install cargo-deny"; fi

.PHONY: bench
bench: ## Measure, each row beside its floor, on a release build; ONLY=api,watch takes some groups of rows; BESIDE=kubeconfig measures beside another server
	@scripts/install bench
	$(build-demo)
	cargo build --release --bin rutter --bin bench
	target/release/bench --rutter $(RUTTER) --demo $(DEMO) $(if $(ONLY),--only $(ONLY)) $(if $(BESIDE),--beside $(BESIDE))
