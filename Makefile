# Everything a contributor runs, by name. `make` alone lists the targets.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
CACHE := $(CURDIR)/.cache
BIN := $(CACHE)/bin
LINTER := $(BIN)/golangci-lint
BENCHSTAT := $(BIN)/benchstat
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# How long each fuzz target runs, or how often: 5000x.
FUZZTIME ?= 30s
# How many cases each property is checked with by `make properties`, and the seed
# they are drawn from, here and by the tests; 0 draws new ones.
CHECKS ?= 100000
export SEED ?= 1
# How often `make bench-decisions` plays each regression, and a file in which it
# keeps what is complete, to go on from there.
REPS ?= 100
KEEP ?=
# How long `make bench-dataplane` takes for each measurement, in seconds, how often
# it repeats, and where it keeps the proxies that it builds.
EACH ?= 4
REPEATS ?= 5
RIVALS := $(CACHE)/rivals
# How often `make bench-hotpath` and `make bench-rollback` repeat.
COUNT ?= 6

# Symbols are left out and paths trimmed, so the same source gives the same binary.
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w'
BENCH := $(GO) test -run '^$$' -benchmem

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Build

.PHONY: build
build: ## build the static binary bin/belay
	$(BUILD) -o bin/belay ./cmd/belay

.PHONY: cross
cross: ## build for every platform in PLATFORMS, into .cache/cross
	@for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} suffix=; \
		[[ $$os == windows ]] && suffix=.exe; \
		echo "cross $$platform"; \
		GOOS=$$os GOARCH=$$arch $(BUILD) -o "$(CACHE)/cross/belay-$$os-$$arch$$suffix" ./cmd/belay; \
	done

##@ Test

.PHONY: test
test: ## all tests that need nothing but Go
	tools/test -timeout 15m

.PHONY: race
race: ## the same under the race detector, without the long simulations
	tools/test -race -short -timeout 20m

# Tests behind the build tag `integration` need more than Go or more time.
# They measure time, so packages run one after another.
.PHONY: integration
integration: ## tests against a real model server, crashes and many seeds (needs python3)
	examples/mlserver/setup.sh
	$(GO) test -tags integration -count 1 -p 1 -v -timeout 30m $$(tools/packages-tagged integration)

.PHONY: properties
properties: ## every property with CHECKS cases
	@for package in $$(tools/packages-importing pgregory.net/rapid); do \
		$(GO) test -short -timeout 30m "$$package" -rapid.checks=$(CHECKS) -rapid.seed=$(SEED) -rapid.nofailfile; \
	done

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	tools/fuzz-each $(FUZZTIME)

.PHONY: cover
cover: ## coverage of the whole product, as .cache/cover.html
	@mkdir -p $(CACHE)
	$(GO) test -short -coverprofile $(CACHE)/cover.out -coverpkg ./internal/...,./client/... ./...
	$(GO) tool cover -html $(CACHE)/cover.out -o $(CACHE)/cover.html
	$(GO) tool cover -func $(CACHE)/cover.out | tail -1

##@ Measure

.PHONY: bench
bench: ## each benchmark once, to see that it still runs
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 15m ./...

.PHONY: bench-hotpath
bench-hotpath: $(BENCHSTAT) ## the path of one request and of one tick
	@mkdir -p $(CACHE)
	$(BENCH) -bench . -count $(COUNT) ./internal/core/split ./internal/router/... | tee $(CACHE)/hotpath.txt
	$(BENCH) -bench 'Tick|Idle' -count $(COUNT) ./bench/... | tee -a $(CACHE)/hotpath.txt
	$(BENCHSTAT) $(CACHE)/hotpath.txt

.PHONY: bench-rollback
bench-rollback: $(BENCHSTAT) ## from the decision to the last request that starts at the candidate
	@mkdir -p $(CACHE)
	$(BENCH) -bench Rollback -count $(COUNT) -timeout 30m ./bench/... | tee $(CACHE)/rollback.txt
	$(BENCHSTAT) $(CACHE)/rollback.txt

.PHONY: bench-judge
bench-judge: $(BENCHSTAT) ## a verdict, a judgement, a look of the planner and simulated events
	@mkdir -p $(CACHE)
	$(BENCH) -bench . -count $(COUNT) ./internal/core/stats ./internal/core/rollout | tee $(CACHE)/judge.txt
	$(BENCH) -bench 'Look|Events' -count $(COUNT) ./internal/core/planner ./internal/simulate | tee -a $(CACHE)/judge.txt
	$(BENCHSTAT) $(CACHE)/judge.txt

# The traffic is simulated; only the time that it takes depends on the machine.
.PHONY: bench-decisions
bench-decisions: bench-acceptance ## Belay's decisions against those of other tools, into docs/benchmarks (an hour)
	$(GO) run ./bench/decisions -reps $(REPS) $(if $(KEEP),-keep $(KEEP))

.PHONY: bench-acceptance
bench-acceptance: ## the acceptance simulations in full size, into docs/benchmarks (half an hour)
	$(GO) run ./bench/acceptance

# Processor times, delays and memory, side by side on one core each.
.PHONY: bench-dataplane
bench-dataplane: rivals ## the data plane beside other proxies, into docs/benchmarks (20 minutes; Linux)
	$(GO) run ./bench/dataplane -seconds $(EACH) -repeats $(REPEATS) -rivals $(RIVALS) -raw $(CACHE)/dataplane.json

.PHONY: rivals
rivals: ## get the proxies that Belay is measured beside: system packages, Caddy and Traefik
	GO="$(GO)" tools/rivals $(RIVALS)

##@ Keep in order

.PHONY: lint
lint: $(LINTER) ## the linters, and go.mod as tidy left it
	$(LINTER) run ./...
	$(GO) mod tidy -diff

.PHONY: fmt
fmt: $(LINTER) ## format the Go sources
	$(LINTER) fmt ./...

.PHONY: generate
generate: $(LINTER) ## write every generated file anew
	PATH="$(BIN):$$PATH" $(GO) generate ./...
	$(GO) test ./internal/layering -run TestTheLinterRepeatsTheTable -update

.PHONY: generate-check
generate-check: ## fail if generated files are not what `make generate` writes
	tools/unchanged-by $(MAKE) --no-print-directory generate

.PHONY: tools
tools: $(LINTER) ## build the tools of tools/go.mod into .cache/bin

# One build for all tools, of exact versions; the linter stands for the others.
$(LINTER): tools/go.mod tools/go.sum
	@mkdir -p $(BIN)
	cd tools && CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ tool
	@touch $(LINTER)

$(BENCHSTAT): $(LINTER)

.PHONY: clean
clean: ## remove what was built, and the tools
	rm -rf bin $(CACHE)
