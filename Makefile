# `make help` lists the targets. They need Go, git and make. They install other programs, or name a missing one.

GO ?= go
MAP = awk -F ':.*\#\#[cl]? '
PKG ?= ./store ./test/process ./test/soak ./api ./... # the longest first
AT_ONCE ?= -p 4 -parallel 4 # most of the long tests wait
COMPILING = echo "Compiling; the first time this takes a minute or two." >&2

.DEFAULT_GOAL := help
.PHONY: image clients breaking bench chaos soak model sim fuzz help run demo build test check fmt fmt-check lint spec arch cli vuln programs

help: ## list the targets; test/README.md has the question that each answers, and its duration
	@$(MAP) '/^[a-z0-9-]+:.*## / { printf "%-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo && echo "Steps of check:"
	@$(MAP) '/^[a-z0-9-]+:.*##c / { printf "%-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo && echo "Not in check, because they take long or need more programs:"
	@$(MAP) '/^[a-z0-9-]+:.*##l / { printf "%-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the server with an embedded Redis and a simulated Stripe
	@$(COMPILING)
	$(GO) run ./cmd/kasse-dev

demo: ## two orders on the same server, from opening to paid
	@$(COMPILING)
	$(GO) run ./cmd/kasse-dev -demo

build: ## the production binary, bin/kasse
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/kasse ./cmd/kasse

image: ## the container image, kasse; needs a container engine
	docker build --build-arg VERSION=$$(git describe --tags --always --dirty) --build-arg REVISION=$$(git rev-parse HEAD) -t kasse .

# The linters vet the code, so the tests do not do it again.
test: programs ## every test, the long ones with few rounds; RACE=-race, PKG=./api of one package
	@echo "Building the tests; the first time this takes a minute or two. Then each package reports."
	@$(GO) run ./test/run -vet=off -timeout 20m -shuffle=on $(AT_ONCE) $(RACE) $(PKG)

# The steps of check, in the order in which they start. The long steps come first, and steps that mostly wait run beside
# steps that compile.
CHECKS := test lint soak chaos deploy-check e2e clients-ts example-react examples clients cli breaking spec stripe-types-check fmt-check
CHECK_AT_ONCE ?= 3
export CHECK_AT_ONCE

.PHONY: $(CHECKS:%=check-%)
check: programs ## what CI runs: every test with -race, and the steps below
	@test/setup/install.sh browser
	@echo "$(words $(CHECKS)) steps, $(CHECK_AT_ONCE) at once; each prints a line when it ends, and all its output when it fails."
	@$(MAKE) --no-print-directory -k -j$(CHECK_AT_ONCE) $(CHECKS:%=check-%)
	@echo "All $(words $(CHECKS)) steps passed."

# The tests show their own progress, so test/setup/step.sh does not run them.
check-test: export KASSE_TEST_ROUNDS = check
check-test:
	@$(MAKE) --no-print-directory test RACE=-race AT_ONCE= PKG='./test/process ./...' # other steps run beside it
	@KASSE_TEST_ROUNDS=all $(MAKE) --no-print-directory test PKG='-run=Exhaustive ./service/payment'

$(filter-out check-test,$(CHECKS:%=check-%)): check-%:
	@test/setup/step.sh $* $(MAKE) --no-print-directory $* $(WITH)

check-soak: WITH = DURATION=60s SEED=1
check-chaos: WITH = DURATION=0 SEED=1
check-examples: WITH = CONSUMERS=TestConsumerInTypeScript
# These steps share files, which make builds once, before them.
check-lint check-fmt-check check-deploy-check: .tools/bin/gofumpt
check-e2e check-clients-ts check-example-react check-clients: built
check-e2e check-clients-ts check-example-react: clients/typescript/dist/index.js

fmt: .tools/bin/gofumpt ## format the Go files
	.tools/bin/gofumpt -w .

fmt-check: .tools/bin/gofumpt ##c is every Go file formatted, and go.mod tidy?
	@unformatted=$$(.tools/bin/gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff

lint: .tools/bin/golangci-lint ##c the linters of .golangci.yml
	.tools/bin/golangci-lint run --allow-serial-runners

spec: test/spec/node_modules/.package-lock.json ##c lint openapi.yaml
	npm run --silent --prefix test/spec lint

.PHONY: stripe-types stripe-types-check
stripe-types: test/stripe-types/node_modules/.package-lock.json ## write docs/stripe-types.md from the newest Stripe package
	npm run --silent --prefix test/stripe-types generate

stripe-types-check: test/stripe-types/node_modules/.package-lock.json ##c is docs/stripe-types.md up to date, and does Kasse know every value?
	npm run --silent --prefix test/stripe-types check

.PHONY: e2e
e2e: built test/e2e/node_modules/.package-lock.json clients/typescript/dist/index.js ##c a browser pays on the shop's page of kasse-dev
	@test/setup/install.sh browser
	cd test/e2e && KASSE_DEV=$(BUILT)/kasse-dev CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" node --test-reporter=spec all.test.mjs

.PHONY: console-picture
console-picture: built test/e2e/node_modules/.package-lock.json ## take the README's picture of kasse-dev's console again
	@test/setup/install.sh browser
	cd test/e2e && KASSE_DEV=$(BUILT)/kasse-dev CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" node --test-reporter=spec console.test.mjs
	mkdir -p docs/pictures && cp test/e2e/screenshots/console.png docs/pictures/console.png

arch: ## the import rules and the top level
	$(GO) test -count=1 ./test/arch

bench: programs ##l benchmarks of packages, then of whole servers; BENCH='-count 5' LOAD='-run status -rounds 5'
	$(GO) test ./store ./cmd/internal/app -run '^$$' -bench . $(BENCH)
	$(GO) test ./test/push -run '^$$' -bench Push -cpu 1 -benchtime 20000x $(BENCH)
	$(GO) test ./test/push -run '^$$' -bench 'Cost|Mixed' -benchtime 1x $(BENCH)
	$(GO) run ./test/bench $(LOAD)

.PHONY: growth
growth: programs ##l time and memory with 1,000 to 3,000,000 orders, and with the attempts of one; ORDERS=1000,100000
	$(GO) run ./test/bench -run growth -time 1s $(if $(ORDERS),-orders $(ORDERS))
	$(GO) run ./test/bench -run attempts

.PHONY: cost
cost: programs ##l processor time of each request, on a single Redis, behind sentinels and on a cluster; COST='-confirm 0'
	$(GO) run ./test/bench -run cost -time 1s -rounds 3 $(COST)

.PHONY: examples pushes
CONSUMERS ?= TestConsumer
examples: programs examples/consumer-ts/node_modules/.package-lock.json ##c the example consumers against real servers
	npm run --silent --prefix examples/consumer-ts build
	$(GO) test -vet=off -count=1 -tags npm ./test/process -run $(CONSUMERS)

pushes: export KASSE_TEST_ROUNDS = all
pushes: programs ##l 10,000 events pushed while servers and the receiver are killed
	$(GO) test -count=1 -v -timeout 30m ./test/process -run TestKillWhilePushing

.PHONY: parking
PARKING_ROUNDS ?= 10000
parking: ##l requests that wait without a goroutine, on one connection 10,000 times; PARKING_ROUNDS=
	PARKING_ROUNDS=$(PARKING_ROUNDS) $(GO) run ./test/run -race -count=1 -timeout 30m ./api/parking
	$(GO) run ./test/run -race -count=1 -timeout 30m -run 'Wait|Parked|Draining' ./api

.PHONY: backends
backends: examples/backend-node/node_modules/.package-lock.json .tools/bin/golangci-lint ##l the Go client, and the example backends in Go, Node and Python; needs python3
	cd clients/go && $(GO) vet ./... && ../../.tools/bin/golangci-lint run --allow-serial-runners && $(GO) test -count=1 ./...
	cd examples/backend-go && $(GO) vet ./... && ../../.tools/bin/golangci-lint run --allow-serial-runners
	cd examples/backend-python && python3 -B -m unittest
	.tools/bin/golangci-lint run --allow-serial-runners --build-tags backends ./test/process/...
	$(GO) test -count=1 -tags backends ./test/process -run TestBackend

.PHONY: apps
apps: ##l the code of docs/apps.md; needs Debian's kotlin and OkHttp
	GO="$(GO)" test/apps/run.sh

.PHONY: proofs
proofs: export KASSE_TEST_ROUNDS = all
proofs: programs ##l every round of the long tests
	$(GO) test -vet=off -race -count=1 -v -timeout 2h ./test/process -run \
	  'TestConvergence|TestWebhooksInAnyOrder|TestRandomOrders|TestKillWhilePushing|TestRedisLosesLastStep|TestRedisLosesPart'
	$(GO) test -vet=off -count=1 -v -timeout 1h ./test/sim ./service/payment -run 'TestSimulation|TestSame|Exhaustive'

.PHONY: losses
losses: export KASSE_TEST_ROUNDS = all
losses: programs ##l every case of a Redis that loses its last writes or a part
	$(GO) test -count=1 -v -timeout 1h ./test/process -run 'TestRedisLosesLastStep|TestRedisLosesPart'

DURATION ?= 5m
model: ##l the model-based tests on new seeds; DURATION=5m
	DURATION=$(DURATION) GO="$(GO)" test/model/run.sh

chaos: programs ##c faults under load, then a check of every acknowledged write; DURATION=5m SEED=n ROUNDS=regexp
	@$(GO) build -o bin/chaos ./test/chaos
	@exec bin/chaos -duration $(DURATION) $(if $(SEED),-seed $(SEED)) $(if $(ROUNDS),-rounds '$(ROUNDS)')

.PHONY: sentinels
sentinels: programs ##l rounds behind sentinels, healthy and rough, with the role of each node at each change, for DURATION=5m
	$(GO) test -count=1 -v -timeout 0 ./store -run TestSentinelsInRoughWeather -args -rough=$(DURATION)

.PHONY: cluster
cluster: programs ##l chaos on a cluster: masters die, slots move; DURATION=5m SEED=n REPLICAS=1 WAIT=1 ROUNDS=cluster|unconfirmed
	@$(GO) build -o bin/chaos ./test/chaos
	@exec bin/chaos -parallel 1 -rounds '^($(or $(ROUNDS),cluster))$$' -duration $(DURATION) $(if $(SEED),-seed $(SEED)) \
	  $(if $(REPLICAS),-replicas $(REPLICAS)) $(if $(WAIT),-wait $(WAIT)) $(ARGS)

soak: DURATION = 30m
soak: programs ##c a mixed load, after which resources return to their baseline; DURATION=30m SEED=n RATE=5
	@$(GO) build -o bin/soak ./test/soak
	@exec bin/soak -duration $(DURATION) $(if $(SEED),-seed $(SEED)) $(if $(RATE),-rate $(RATE))

sim: ##l the simulation on new seeds; DURATION=5m, or SEED=N step by step
	$(GO) test ./test/sim -v -count=1 -timeout 0 -run TestSimulation -args $(if $(SEED),-seed $(SEED),-duration $(DURATION))

.PHONY: orders
orders: programs ##l orders raced over HTTP while servers are killed; DURATION=5m
	$(GO) test -count=1 -v -timeout 0 ./test/process -run TestRandomOrders -args -duration=$(DURATION)

.PHONY: mutants
mutants: programs ##l break the code on purpose; a named test has to fail; MUTANT=name
	GO="$(GO)" MUTANT="$(MUTANT)" test/mutants/run.sh

fuzz: ##l every fuzz target; DURATION=5m each
	DURATION=$(DURATION) GO="$(GO)" test/fuzz/run.sh

cli: test/cli/node_modules/.package-lock.json ##c Stripe's own command line tool against the simulator
	test/cli/run.sh

clients: built test/clients/node_modules/.package-lock.json ##c generated clients in TypeScript and Go, and a payment with each
	GO="$(GO)" KASSE_DEV=$(BUILT)/kasse-dev test/clients/run.sh

.PHONY: clients-all
clients-all: ##l clients of orval, kubb, @hey-api/openapi-ts and ogen
	GO="$(GO)" test/clients/all/run.sh

.PHONY: api-docs
api-docs: ## openapi.yaml as a page, bin/api.html and /docs of kasse-dev, and as a collection in test/http
	@mkdir -p bin
	$(GO) run ./cmd/kasse-dev/apidocs/write page >bin/api.html
	cp bin/api.html cmd/kasse-dev/docs.html
	$(GO) run ./cmd/kasse-dev/apidocs/write collection >test/http/kasse.postman_collection.json

.PHONY: clients-ts example-react
clients-ts: programs built clients/typescript/dist/index.js ##c @kasse/client: build, types, size, tests on real servers
	@npm run --silent --prefix clients/typescript bundle | diff -u cmd/kasse-dev/shop/kasse.js - || \
		{ echo "cmd/kasse-dev/shop/kasse.js is not that of clients/typescript: run make shop-client"; exit 1; }
	KASSE=$(BUILT)/kasse KASSE_DEV=$(BUILT)/kasse-dev npm run --silent --prefix clients/typescript test

.PHONY: clients-ts-runtimes
clients-ts-runtimes: built clients/typescript/dist/index.js ##l @kasse/client in Bun, Deno and workerd; npm installs 354 MB
	npm ci --silent --prefix clients/typescript/test/runtimes
	KASSE_DEV=$(BUILT)/kasse-dev npm run --silent --prefix clients/typescript/test/runtimes test

.PHONY: shop-client
shop-client: clients/typescript/dist/index.js ## write the shop's copy of the client: cmd/kasse-dev/shop/kasse.js
	npm run --silent --prefix clients/typescript bundle >cmd/kasse-dev/shop/kasse.js

clients/typescript/dist/index.js: clients/typescript/node_modules/.package-lock.json openapi.yaml $(shell find clients/typescript/src -name '*.ts*' ! -name schema.ts 2>/dev/null)
	npm run --silent --prefix clients/typescript build

example-react: built clients/typescript/dist/index.js examples/react/node_modules/.package-lock.json ##c examples/react: types, build, and a browser that pays in it
	@test/setup/install.sh browser
	npm run --silent --prefix examples/react build
	KASSE_DEV=$(BUILT)/kasse-dev CHROMIUM="$${CHROMIUM:-$$(command -v chromium)}" npm run --silent --prefix examples/react test

breaking: ##c does openapi.yaml break a client of the last release?
	GO="$(GO)" test/clients/breaking.sh

.PHONY: tables
tables: ## write the documents' tables from the code: settings, metrics, events, error codes
	$(GO) test -count=1 ./api ./service/payment ./cmd/internal/app -run 'Test[A-Z][a-z]+Page$$' -args -update

.PHONY: deploy-check
deploy-check: .tools/bin/golangci-lint ##c Dockerfile, Compose, Kubernetes, Helm, systemd unit, alerts, dashboard; needs no engine
	@command -v systemd-analyze >/dev/null || echo "NOT CHECKED by systemd: deploy/systemd/kasse.service, since systemd-analyze is missing."
	cd test/deploy && ../../.tools/bin/golangci-lint run --allow-serial-runners && $(GO) test -vet=off -count=1 ./...

.PHONY: alerts-check
alerts-check: programs ##l each alert fires from a real fault in a real Prometheus; ALERTS=regexp
	@$(GO) build -o bin/alerts ./test/alerts
	@exec bin/alerts $(if $(ALERTS),-only '$(ALERTS)')

.PHONY: image-check
image-check: ##l the image, built and run by its own Docker daemon: as in compose.yaml, stopped, killed, replaced, and by Compose; needs root
	@GO="$(GO)" test/image/run.sh

.PHONY: systemd-check
systemd-check: programs ##l kasse.service under a real systemd, with all its restrictions, in its own namespaces; needs root
	@GO="$(GO)" test/systemd/run.sh

.PHONY: plugins findings
plugins: ##l the webhook handlers of public plug-ins on the simulator's events; UPDATE=1
	@test/plugins/run.sh

findings: ##l public packages that behave differently from a good guess; needs the network; FINDINGS='name…'
	@test/findings/run.sh $(FINDINGS)

vuln: .tools/bin/govulncheck ##l known vulnerabilities in the code that Kasse calls; needs the network
	@.tools/bin/govulncheck ./... 2>&1 | { \
	  report=$$(cat); printf '%s\n' "$$report"; \
	  case $$report in \
	  *"No vulnerabilities found"*) ;; \
	  *"fetching vulnerabilities"*) echo "NOT CHECKED: the database cannot be reached. GOVULNDB may name a mirror."; exit 1;; \
	  *) exit 1;; \
	  esac; }

programs:
	@test/setup/install.sh

# The servers that the tests in JavaScript start. Their build has the flags of the linters and tests, so all share one
# cache.
BUILT := $(CURDIR)/bin/test
.PHONY: built
built:
	@$(GO) build -o $(BUILT)/ ./cmd/kasse ./cmd/kasse-dev

# The tools have their own module, so that the product's go.mod has only the product's modules.
.tools/bin/gofumpt .tools/bin/govulncheck: .tools/bin/golangci-lint ;
.tools/bin/golangci-lint: .tools/go.mod .tools/go.sum
	@echo "Building the tools; the first time this takes a minute or two."
	cd .tools && $(GO) build -o bin/ tool
	@touch $@

# The packages of npm, for each folder that has a package-lock.json.
%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --silent --prefix $*
	@touch $@
