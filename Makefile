# `make help` lists the targets. They need Go, git and make; what else they need they install or name.

GO ?= go
RACE ?= $(shell test/setup/race.sh)

.DEFAULT_GOAL := help
.PHONY: image clients breaking bench chaos soak model sim fuzz help run demo build test check fmt fmt-check lint spec arch cli vuln programs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the server with an embedded Redis and a simulated Stripe
	$(GO) run ./cmd/kasse-dev

demo: ## the same, playing one order from opening to paid
	$(GO) run ./cmd/kasse-dev -demo

build: ## the production binary, bin/kasse
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/kasse ./cmd/kasse

image: ## the container image, kasse; needs a container engine
	docker build --build-arg VERSION=$$(git describe --tags --always --dirty) --build-arg REVISION=$$(git rev-parse HEAD) -t kasse .

test: programs ## every test, on a real Redis too; with -race where there is a C compiler
	@echo "Building the tests; the first time this takes minutes, then each package reports."
	$(GO) test ./... -shuffle=on $(RACE)

check: fmt-check lint spec arch cli examples ## all that CI asks for: formatting, linters, spec, architecture, Stripe's CLI, examples, tests with -race, a short chaos and soak
	@$(MAKE) --no-print-directory test RACE=-race
	@$(MAKE) --no-print-directory chaos DURATION=0 SEED=1
	@$(MAKE) --no-print-directory soak DURATION=60s SEED=1

fmt: .tools/bin/gofumpt ## format the Go files
	.tools/bin/gofumpt -w .

fmt-check: .tools/bin/gofumpt
	@unformatted=$$(.tools/bin/gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff

lint: .tools/bin/golangci-lint ## the linters of .golangci.yml
	.tools/bin/golangci-lint run

spec: test/spec/node_modules/.package-lock.json ## lint openapi.yaml
	npm run --silent --prefix test/spec lint

.PHONY: e2e
check: e2e
e2e: test/e2e/node_modules/.package-lock.json ## a browser pays: the shop's page of kasse-dev in headless Chromium
	@test/setup/install.sh browser
	CGO_ENABLED=0 $(GO) build -trimpath -o test/e2e/.built/kasse-dev ./cmd/kasse-dev
	cd test/e2e && KASSE_DEV=.built/kasse-dev CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" node --test-reporter=spec all.test.mjs

test/e2e/node_modules/.package-lock.json: test/e2e/package-lock.json
	npm ci --silent --prefix test/e2e
	@touch $@

arch: ## the import rules and the top level
	$(GO) test -count=1 ./test/arch

bench: programs ## benchmarks of the parts, then of the whole beside bare programs, some 25 minutes: BENCH='-count 5', LOAD='-run status -rounds 5 -time 3s'; benchstat reads them
	$(GO) test ./store ./cmd/internal/app -run '^$$' -bench . $(BENCH)
	$(GO) test ./test/push -run '^$$' -bench . -cpu 1 -benchtime 20000x $(BENCH)
	$(GO) run ./test/bench $(LOAD)

.PHONY: examples pushes
examples: programs examples/consumer-ts/node_modules/.package-lock.json ## the example consumers against real servers; npm's standardwebhooks verifies what is pushed
	npm run --silent --prefix examples/consumer-ts build
	$(GO) vet -tags npm ./test/process
	$(GO) test -count=1 -tags npm ./test/process -run TestConsumer

pushes: programs ## 10,000 events pushed while servers and the receiver are killed
	$(GO) test -count=1 -v ./test/process -run TestKillWhilePushing -args -deliveries=10000

DURATION ?= 5m
model: ## the model-based tests of payments and orders on new seeds, for DURATION=5m
	DURATION=$(DURATION) GO="$(GO)" test/model/run.sh

chaos: programs ## faults under load, and every acknowledged fact asked back: DURATION=5m (0: each kind once, short), SEED=n, ROUNDS=regexp
	@$(GO) build -o bin/chaos ./test/chaos
	@exec bin/chaos -duration $(DURATION) $(if $(SEED),-seed $(SEED)) $(if $(ROUNDS),-rounds '$(ROUNDS)')

soak: DURATION = 30m
soak: programs ## a load of all kinds, for DURATION=30m; then all that was taken for it is given back: SEED=n, RATE=5 orders a second
	@$(GO) build -o bin/soak ./test/soak
	@exec bin/soak -duration $(DURATION) $(if $(SEED),-seed $(SEED)) $(if $(RATE),-rate $(RATE))

sim: ## the simulation on new seeds, for DURATION=5m; or step by step on SEED=N
	$(GO) test ./test/sim -v -count=1 -timeout 0 -run TestSimulation -args $(if $(SEED),-seed $(SEED),-duration $(DURATION))

fuzz: ## every fuzz target, each for DURATION=5m
	DURATION=$(DURATION) GO="$(GO)" test/fuzz/run.sh

cli: ## Stripe's own command line tool against the simulator
	test/cli/run.sh

clients: ## clients in TypeScript and Go from openapi.yaml, and a payment with each
	GO="$(GO)" test/clients/run.sh

check: breaking clients
breaking: ## does openapi.yaml break a client of the last release?
	GO="$(GO)" test/clients/breaking.sh

.PHONY: tables
tables: ## write what the documents say of the code anew: settings, metrics, events, error codes
	$(GO) test -count=1 ./api ./service ./cmd/internal/app -run 'Test[A-Z][a-z]+Page$$' -args -update

check: deploy-check
.PHONY: deploy-check
deploy-check: .tools/bin/golangci-lint ## what Kasse is deployed by: Dockerfile and its build steps, Compose, Kubernetes, alerts, dashboard; needs no engine
	cd test/deploy && $(GO) vet ./... && ../../.tools/bin/golangci-lint run && $(GO) test -count=1 ./...

.PHONY: judge findings
judge: ## the webhook handlers of public plug-ins on the simulator's events, beside Kasse, some five minutes; no part of check: UPDATE=1 writes docs/judged.md
	@test/judge/run.sh

findings: ## what public packages do against good guesses, some six minutes; needs the network, and is no part of check: FINDINGS='name…'
	@test/findings/run.sh $(FINDINGS)

vuln: .tools/bin/govulncheck ## known vulnerabilities in what we call; needs the network, and is no part of check
	@.tools/bin/govulncheck ./... 2>&1 | { \
	  report=$$(cat); printf '%s\n' "$$report"; \
	  case $$report in \
	  *"No vulnerabilities found"*) ;; \
	  *"fetching vulnerabilities"*) echo "NOT CHECKED: the database cannot be reached. GOVULNDB may name a mirror."; exit 1;; \
	  *) exit 1;; \
	  esac; }

programs:
	@test/setup/install.sh

# The tools have a module of their own, so that the product's go.mod names only what the product needs.
.tools/bin/%: .tools/go.mod .tools/go.sum
	@echo "Building the tools; the first time this takes a minute or two."
	cd .tools && $(GO) build -o bin/ tool
	@touch $@

examples/consumer-ts/node_modules/.package-lock.json: examples/consumer-ts/package-lock.json
	npm ci --silent --prefix examples/consumer-ts
	@touch $@

test/spec/node_modules/.package-lock.json: test/spec/package-lock.json
	npm ci --silent --prefix test/spec
	@touch $@
