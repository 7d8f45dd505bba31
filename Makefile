# `make help` lists the targets. They need Go, git and make; what else they need they install or name.

GO ?= go
PKG ?= ./test/process ./... # the longest first
COMPILING = echo "Compiling; the first time this takes a minute or two." >&2

.DEFAULT_GOAL := help
.PHONY: image clients breaking bench chaos soak model sim fuzz help run demo build test check fmt fmt-check lint spec arch cli vuln programs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the server with an embedded Redis and a simulated Stripe
	@$(COMPILING)
	$(GO) run ./cmd/kasse-dev

demo: ## the same, playing one order from opening to paid
	@$(COMPILING)
	$(GO) run ./cmd/kasse-dev -demo

build: ## the production binary, bin/kasse
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/kasse ./cmd/kasse

image: ## the container image, kasse; needs a container engine
	docker build --build-arg VERSION=$$(git describe --tags --always --dirty) --build-arg REVISION=$$(git rev-parse HEAD) -t kasse .

# The linters vet the code, so the tests do not do it again.
test: programs ## every test, on a real Redis too; RACE=-race with the race detector, PKG=./api of one package
	@echo "Building the tests; the first time this takes a minute or two. Then each package reports."
	@$(GO) run ./test/run -vet=off -timeout 20m -shuffle=on $(RACE) $(PKG)

# The steps of check, in the order in which they start. The long ones come first, and those that mostly wait run beside
# those that compile.
CHECKS := test lint soak chaos deploy-check e2e clients-ts example-react examples clients cli breaking spec stripe-types-check fmt-check
CHECK_AT_ONCE ?= 3
export CHECK_AT_ONCE

.PHONY: $(CHECKS:%=check-%)
check: programs ## all that CI asks for: formatting, linters, spec, tests with -race, Stripe's CLI, examples, clients, browsers, a short chaos and soak
	@test/setup/install.sh browser
	@echo "$(words $(CHECKS)) steps, $(CHECK_AT_ONCE) at once; each prints a line when it ends, and all its output when it fails."
	@$(MAKE) --no-print-directory -k -j$(CHECK_AT_ONCE) $(CHECKS:%=check-%)
	@echo "All $(words $(CHECKS)) steps passed."

# The tests show their progress by themselves.
check-test:
	@$(MAKE) --no-print-directory test RACE=-race

$(filter-out check-test,$(CHECKS:%=check-%)): check-%:
	@test/setup/step.sh $* $(MAKE) --no-print-directory $* $(WITH)

check-soak: WITH = DURATION=60s SEED=1
check-chaos: WITH = DURATION=0 SEED=1
check-examples: WITH = CONSUMERS=TestConsumerInTypeScript
# What several steps need is made once, before them.
check-lint check-fmt-check check-deploy-check: .tools/bin/gofumpt
check-e2e check-clients-ts check-example-react check-clients: built
check-e2e check-clients-ts check-example-react: clients/typescript/dist/index.js

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
stripe-types: test/stripe-types/node_modules/.package-lock.json ## docs/stripe-types.md from the newest Stripe package: what Kasse does with each value
	npm run --silent --prefix test/stripe-types generate

stripe-types-check: test/stripe-types/node_modules/.package-lock.json
	npm run --silent --prefix test/stripe-types check

.PHONY: e2e
e2e: built test/e2e/node_modules/.package-lock.json clients/typescript/dist/index.js ## a browser pays: the shop's page of kasse-dev in headless Chromium
	@test/setup/install.sh browser
	cd test/e2e && KASSE_DEV=$(BUILT)/kasse-dev CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" node --test-reporter=spec all.test.mjs

arch: ## the import rules and the top level
	$(GO) test -count=1 ./test/arch

bench: programs ## benchmarks of the parts, then of the whole beside bare programs, some 25 minutes: BENCH='-count 5', LOAD='-run status -rounds 5 -time 3s'; benchstat reads them
	$(GO) test ./store ./cmd/internal/app -run '^$$' -bench . $(BENCH)
	$(GO) test ./test/push -run '^$$' -bench Push -cpu 1 -benchtime 20000x $(BENCH)
	$(GO) test ./test/push -run '^$$' -bench Cost -benchtime 1x $(BENCH)
	$(GO) run ./test/bench $(LOAD)

.PHONY: examples pushes
CONSUMERS ?= TestConsumer
examples: programs examples/consumer-ts/node_modules/.package-lock.json ## the example consumers against real servers; npm's standardwebhooks verifies what is pushed
	npm run --silent --prefix examples/consumer-ts build
	$(GO) test -vet=off -count=1 -tags npm ./test/process -run $(CONSUMERS)

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

.PHONY: sentinels
sentinels: programs ## rounds behind sentinels, healthy and rough, with the role of each node at each change, for DURATION=5m
	$(GO) test -count=1 -v -timeout 0 ./store -run TestSentinelsInRoughWeather -args -rough=$(DURATION)

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

cli: test/cli/node_modules/.package-lock.json ## Stripe's own command line tool against the simulator
	test/cli/run.sh

clients: built test/clients/node_modules/.package-lock.json ## clients in TypeScript and Go from openapi.yaml, and a payment with each
	GO="$(GO)" KASSE_DEV=$(BUILT)/kasse-dev test/clients/run.sh

.PHONY: clients-all
clients-all: ## the same with other generators: orval and kubb with Zod, @hey-api/openapi-ts, ogen; no part of check
	GO="$(GO)" test/clients/all/run.sh

.PHONY: api-docs
api-docs: ## openapi.yaml as one static page, bin/api.html and /docs of kasse-dev, and as a collection for Postman and Bruno, in test/http
	@mkdir -p bin
	$(GO) run ./cmd/kasse-dev/apidocs/write page >bin/api.html
	cp bin/api.html cmd/kasse-dev/docs.html
	$(GO) run ./cmd/kasse-dev/apidocs/write collection >test/http/kasse.postman_collection.json

.PHONY: clients-ts example-react
clients-ts: programs built clients/typescript/dist/index.js ## @kasse/client: build, types, size, and its tests on real servers
	@npm run --silent --prefix clients/typescript bundle | diff -u cmd/kasse-dev/shop/kasse.js - || \
		{ echo "cmd/kasse-dev/shop/kasse.js is not that of clients/typescript: run make shop-client"; exit 1; }
	KASSE=$(BUILT)/kasse KASSE_DEV=$(BUILT)/kasse-dev npm run --silent --prefix clients/typescript test

.PHONY: clients-ts-runtimes
clients-ts-runtimes: built clients/typescript/dist/index.js ## @kasse/client in Bun, Deno and workerd, which npm installs (354 MB); no part of check
	npm ci --silent --prefix clients/typescript/test/runtimes
	KASSE_DEV=$(BUILT)/kasse-dev npm run --silent --prefix clients/typescript/test/runtimes test

.PHONY: shop-client
shop-client: clients/typescript/dist/index.js ## write the shop's copy of the client anew: cmd/kasse-dev/shop/kasse.js
	npm run --silent --prefix clients/typescript bundle >cmd/kasse-dev/shop/kasse.js

clients/typescript/dist/index.js: clients/typescript/node_modules/.package-lock.json openapi.yaml $(shell find clients/typescript/src -name '*.ts*' ! -name schema.ts 2>/dev/null)
	npm run --silent --prefix clients/typescript build

example-react: built clients/typescript/dist/index.js examples/react/node_modules/.package-lock.json ## examples/react: types, build, and a browser that pays in it
	@test/setup/install.sh browser
	npm run --silent --prefix examples/react build
	KASSE_DEV=$(BUILT)/kasse-dev CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" npm run --silent --prefix examples/react test

breaking: ## does openapi.yaml break a client of the last release?
	GO="$(GO)" test/clients/breaking.sh

.PHONY: tables
tables: ## write what the documents say of the code anew: settings, metrics, events, error codes
	$(GO) test -count=1 ./api ./service/payment ./cmd/internal/app -run 'Test[A-Z][a-z]+Page$$' -args -update

.PHONY: deploy-check
deploy-check: .tools/bin/golangci-lint ## what Kasse is deployed by: Dockerfile and its build steps, Compose, Kubernetes, alerts, dashboard; needs no engine
	cd test/deploy && ../../.tools/bin/golangci-lint run && $(GO) test -vet=off -count=1 ./...

.PHONY: alerts-check
alerts-check: programs ## a real Prometheus and Alertmanager: each alert fires from a real fault, each query of the dashboard returns data; some 5 minutes, no part of check: ALERTS=regexp
	@$(GO) build -o bin/alerts ./test/alerts
	@exec bin/alerts $(if $(ALERTS),-only '$(ALERTS)')

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

# The servers that tests in JavaScript start, built as the linters and the tests build them, so that all share one cache.
BUILT := $(CURDIR)/bin/test
.PHONY: built
built:
	@$(GO) build -o $(BUILT)/ ./cmd/kasse ./cmd/kasse-dev

# The tools have a module of their own, so that the product's go.mod names only what the product needs.
.tools/bin/gofumpt .tools/bin/govulncheck: .tools/bin/golangci-lint ;
.tools/bin/golangci-lint: .tools/go.mod .tools/go.sum
	@echo "Building the tools; the first time this takes a minute or two."
	cd .tools && $(GO) build -o bin/ tool
	@touch $@

# What npm installs, for each folder that has a package-lock.json.
%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --silent --prefix $*
	@touch $@
