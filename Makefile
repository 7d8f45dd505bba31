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
	$(GO) test ./... -timeout 20m -shuffle=on $(RACE)

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

.PHONY: stripe-types stripe-types-check
check: stripe-types-check
stripe-types: test/stripe-types/node_modules/.package-lock.json ## docs/stripe-types.md from the newest Stripe package: what Kasse does with each value
	npm run --silent --prefix test/stripe-types generate

stripe-types-check: test/stripe-types/node_modules/.package-lock.json
	npm run --silent --prefix test/stripe-types check

test/stripe-types/node_modules/.package-lock.json: test/stripe-types/package-lock.json
	npm ci --silent --prefix test/stripe-types
	@touch $@

.PHONY: e2e
check: e2e
e2e: test/e2e/node_modules/.package-lock.json clients/typescript/dist/index.js ## a browser pays: the shop's page of kasse-dev in headless Chromium
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
	$(GO) test ./test/push -run '^$$' -bench Push -cpu 1 -benchtime 20000x $(BENCH)
	$(GO) test ./test/push -run '^$$' -bench Cost -benchtime 1x $(BENCH)
	$(GO) run ./test/bench $(LOAD)

.PHONY: examples pushes
examples: programs examples/consumer-ts/node_modules/.package-lock.json ## the example consumers against real servers; npm's standardwebhooks verifies what is pushed
	npm run --silent --prefix examples/consumer-ts build
	$(GO) vet -tags npm ./test/process
	$(GO) test -count=1 -tags npm ./test/process -run TestConsumer

pushes: programs ## 10,000 events pushed while servers and the receiver are killed
	$(GO) test -count=1 -v ./test/process -run TestKillWhilePushing -args -deliveries=10000

.PHONY: backends
backends: examples/backend-node/node_modules/.package-lock.json .tools/bin/golangci-lint ## the Go client, and the example backends in Go, Node and Python, against real servers; needs python3
	cd clients/go && $(GO) vet ./... && ../../.tools/bin/golangci-lint run && $(GO) test -count=1 ./...
	cd examples/backend-go && $(GO) vet ./... && ../../.tools/bin/golangci-lint run
	cd examples/backend-python && python3 -B -m unittest
	.tools/bin/golangci-lint run --build-tags backends ./test/process/...
	$(GO) test -count=1 -tags backends ./test/process -run TestBackend

.PHONY: apps
apps: ## the code of docs/apps.md: React Native type-checked, Kotlin compiled and run; needs Debian's kotlin and OkHttp
	GO="$(GO)" test/apps/run.sh

.PHONY: losses
losses: programs ## every case of a Redis that goes back in time or loses a part, with real processes, some 5 minutes
	$(GO) test -count=1 -v ./test/process -run 'TestRedisGoesBack|TestHalfOfRedisIsLost' -args -loss-matrix

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

.PHONY: orders
orders: programs ## orders raced over HTTP while servers are killed, each compared with Stripe: new seeds for DURATION=5m
	$(GO) test -count=1 -v -timeout 0 ./test/process -run TestOrdersEndTrue -args -duration=$(DURATION)

.PHONY: mutants
mutants: programs ## break the code on purpose, in one way after the other; for each a named test has to fail: MUTANT=name for one
	GO="$(GO)" MUTANT="$(MUTANT)" test/mutants/run.sh

fuzz: ## every fuzz target, each for DURATION=5m
	DURATION=$(DURATION) GO="$(GO)" test/fuzz/run.sh

cli: ## Stripe's own command line tool against the simulator
	test/cli/run.sh

clients: ## clients in TypeScript and Go from openapi.yaml, and a payment with each
	GO="$(GO)" test/clients/run.sh

.PHONY: clients-all
clients-all: ## the same with other generators: orval and kubb with Zod, @hey-api/openapi-ts, ogen; no part of check
	GO="$(GO)" test/clients/all/run.sh

.PHONY: api-docs
api-docs: ## openapi.yaml as one static page, bin/api.html, and as a collection for Postman and Bruno, in test/http
	@mkdir -p bin
	$(GO) run ./cmd/kasse-dev/apidocs/write page >bin/api.html
	$(GO) run ./cmd/kasse-dev/apidocs/write collection >test/http/kasse.postman_collection.json

check: clients-ts example-react
.PHONY: clients-ts example-react
clients-ts: programs clients/typescript/dist/index.js ## @kasse/client: build, types, size, and its tests on real servers
	@npm run --silent --prefix clients/typescript bundle | diff -u cmd/kasse-dev/shop/kasse.js - || \
		{ echo "cmd/kasse-dev/shop/kasse.js is not that of clients/typescript: run make shop-client"; exit 1; }
	CGO_ENABLED=0 $(GO) build -trimpath -o clients/typescript/.built/ ./cmd/kasse ./cmd/kasse-dev
	KASSE=$$PWD/clients/typescript/.built/kasse KASSE_DEV=$$PWD/clients/typescript/.built/kasse-dev npm run --silent --prefix clients/typescript test

.PHONY: clients-ts-runtimes
clients-ts-runtimes: clients/typescript/dist/index.js ## @kasse/client in Bun, Deno and workerd, which npm installs (354 MB); no part of check
	npm ci --silent --prefix clients/typescript/test/runtimes
	CGO_ENABLED=0 $(GO) build -trimpath -o clients/typescript/.built/ ./cmd/kasse-dev
	KASSE_DEV=$$PWD/clients/typescript/.built/kasse-dev npm run --silent --prefix clients/typescript/test/runtimes test

.PHONY: shop-client
shop-client: clients/typescript/dist/index.js ## write the shop's copy of the client anew: cmd/kasse-dev/shop/kasse.js
	npm run --silent --prefix clients/typescript bundle >cmd/kasse-dev/shop/kasse.js

clients/typescript/dist/index.js: clients/typescript/package-lock.json openapi.yaml $(shell find clients/typescript/src -name '*.ts*' ! -name schema.ts 2>/dev/null)
	npm ci --silent --prefix clients/typescript
	npm run --silent --prefix clients/typescript build

example-react: clients/typescript/dist/index.js ## examples/react: types, build, and a browser that pays in it
	@test/setup/install.sh browser
	npm ci --silent --prefix examples/react
	npm run --silent --prefix examples/react build
	CGO_ENABLED=0 $(GO) build -trimpath -o clients/typescript/.built/ ./cmd/kasse-dev
	KASSE_DEV=$$PWD/clients/typescript/.built/kasse-dev CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" npm run --silent --prefix examples/react test

check: breaking clients
breaking: ## does openapi.yaml break a client of the last release?
	GO="$(GO)" test/clients/breaking.sh

.PHONY: tables
tables: ## write what the documents say of the code anew: settings, metrics, events, error codes
	$(GO) test -count=1 ./api ./service/payment ./cmd/internal/app -run 'Test[A-Z][a-z]+Page$$' -args -update

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

examples/backend-node/node_modules/.package-lock.json: examples/backend-node/package-lock.json
	npm ci --silent --prefix examples/backend-node
	@touch $@

test/spec/node_modules/.package-lock.json: test/spec/package-lock.json
	npm ci --silent --prefix test/spec
	@touch $@
