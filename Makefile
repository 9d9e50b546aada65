# What one does here, a word each. `make` alone lists it.

.DEFAULT_GOAL := help
HTTP := src/tiny_http
# Where cargo builds, if somebody has told it.
TARGET := $(or $(CARGO_TARGET_DIR),target)
BENCH := $(or $(CARGO_TARGET_DIR),tests/bench/target)
MAINSTAY = $(TARGET)/debug/mainstay
API_TOOLS := target/api
PROMTOOL := $(API_TOOLS)/usr/bin/promtool
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: postgresql $(MAINSTAY) ## Serve, with an embedded database in ./var unless another is configured
	@exec $(MAINSTAY) serve

setup: postgresql ## Install what tests, benchmarks and the fuzzer need (Debian and its kin)
	@if command -v apt-get >/dev/null; then $(SUDO) apt-get install -y wrk strace; \
	else echo "install wrk and strace with this system's package manager"; fi
	cargo install --locked cargo-fuzz

# PostgreSQL's server programs, which the embedded database and the tests run.
postgresql:
	@etc/install-postgresql

$(MAINSTAY): FORCE
	@cargo build --quiet --locked --bin mainstay
FORCE:

# The gateways into which the tests load what is exported for them.
gateways:
	@etc/install-gateways

# The versions of PostgreSQL on which the tests run the core.
versions:
	@etc/install-postgresql-versions

check: postgresql versions gateways $(PROMTOOL) ## Everything that must hold: format, lints, documentation, tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	$(PROMTOOL) test rules tests/alerts.yml
	$(MAKE) test

test: postgresql versions gateways ## Run all tests
	cargo test --workspace --locked

migrate: $(MAINSTAY) ## Apply all migrations that are pending
	@$(MAINSTAY) migrate $(ARGS)

migrate-status: $(MAINSTAY) ## Show which migrations are applied
	@$(MAINSTAY) migrate status $(ARGS)

migrate-create: $(MAINSTAY) ## Make the next migration: make migrate-create NAME="add user preferences"
	@name='$(NAME)'; [ -n "$$name" ] || { printf 'Enter description: '; read -r name; }; \
	$(MAINSTAY) migrate create "$$name"

migrate-rollback: $(MAINSTAY) ## Undo the last migration
	@$(MAINSTAY) migrate rollback $(ARGS)

db-start: postgresql $(MAINSTAY) ## Start the embedded database, and leave it running
	@$(MAINSTAY) db start

db-stop: $(MAINSTAY) ## Stop the embedded database
	@$(MAINSTAY) db stop

db-reset: postgresql $(MAINSTAY) ## Delete the embedded database with everything in it, and make it anew: migrated and seeded
	@$(MAINSTAY) db reset $(ARGS)
	@$(MAINSTAY) migrate
	@$(MAINSTAY) seed

db-seed: postgresql $(MAINSTAY) ## Fill the database with what development needs
	@$(MAINSTAY) migrate
	@$(MAINSTAY) seed

db-psql: $(MAINSTAY) ## Open psql on the configured database
	@$(MAINSTAY) db psql

# What is installed; packagers who have built it already may name another.
RELEASE = $(TARGET)/release/mainstay
$(RELEASE): FORCE
	@cargo build --release --quiet --locked --bin mainstay

DESTDIR ?=
install: $(RELEASE) ## Install binary, systemd unit, settings and documentation below DESTDIR
	install -Dm755 $(RELEASE) $(DESTDIR)/usr/bin/mainstay
	install -Dm644 etc/mainstay.service $(DESTDIR)/usr/lib/systemd/system/mainstay.service
	install -Dm644 etc/DATABASE.md $(DESTDIR)/usr/share/doc/mainstay/DATABASE.md
	[ -e $(DESTDIR)/etc/mainstay/mainstay.env ] || \
		install -Dm640 etc/mainstay.env.example $(DESTDIR)/etc/mainstay/mainstay.env

uninstall: ## Remove what install put there; settings and data stay
	rm -f $(DESTDIR)/usr/bin/mainstay $(DESTDIR)/usr/lib/systemd/system/mainstay.service
	rm -rf $(DESTDIR)/usr/share/doc/mainstay

bench-http: ## Measure the HTTP server against tiny_http 0.12.0 and axum (needs wrk and strace: make setup)
	cd $(HTTP)/bench && cargo build --release --quiet --locked --bins && $(or $(CARGO_TARGET_DIR),target)/release/bench-http $(ARGS)

# What mainstay's migrations are compared with. Nothing is installed outside of target/.
TOOLS := target/bench
$(TOOLS)/bin/sqlx:
	cargo install --quiet --locked sqlx-cli --version 0.9.0 --no-default-features --features postgres,rustls --root $(TOOLS)

$(TOOLS)/node_modules/dbmate:
	npm install --silent --no-audit --no-fund --no-save --prefix $(TOOLS) dbmate@2.36.0

bench-migrate: postgresql $(RELEASE) $(TOOLS)/bin/sqlx $(TOOLS)/node_modules/dbmate ## Measure 1,000 migrations against sqlx-cli, dbmate (needs npm) and psql
	@cd tests/bench && cargo build --release --quiet --locked --bins
	@$(BENCH)/release/bench-migrate --mainstay $(RELEASE) --tools $(TOOLS) $(ARGS)

bench-db: postgresql ## Measure one row by key through pool and session against the bare driver and pgbench
	@cd tests/bench && cargo build --release --quiet --locked --bins
	@$(BENCH)/release/bench-db $(ARGS)

bench-entities: postgresql $(RELEASE) ## Measure a declared entity against a table of our own (needs wrk: make setup)
	@cd tests/bench && cargo build --release --quiet --locked --bins
	@$(BENCH)/release/bench-entities --mainstay $(RELEASE) $(ARGS)

bench-api: postgresql $(RELEASE) ## Measure requests through the whole API against axum, pgbench and the floor (needs wrk: make setup)
	@cd tests/bench && cargo build --release --quiet --locked --bins
	@$(BENCH)/release/bench-api --mainstay $(RELEASE) $(ARGS)

soak: postgresql $(RELEASE) ## Ten minutes at full load: memory, descriptors, threads (ARGS="--fault-every 60" with faults)
	@cd tests/bench && cargo build --release --quiet --locked --bins
	@$(BENCH)/release/soak --mainstay $(RELEASE) $(ARGS)

bench-webhooks: postgresql $(RELEASE) ## Measure what an event costs a write, and deliveries a second
	@cd tests/bench && cargo build --release --quiet --locked --bins
	@$(BENCH)/release/bench-webhooks --mainstay $(RELEASE) $(ARGS)

bench-catalogue: postgresql $(RELEASE) ## Measure searches, lists and claims on 1 thousand, 100 thousand and 1 million rows
	@cd tests/bench && cargo build --release --quiet --locked --bins
	@$(BENCH)/release/bench-catalogue --mainstay $(RELEASE) $(ARGS)

# What holds the API against its document. Nothing is installed outside of target/.
$(API_TOOLS)/venv/installed: tests/api_document/requirements.txt
	@python3 -m venv $(API_TOOLS)/venv || { echo "Python's venv is missing; Debian's package is python3-venv" >&2; exit 1; }
	@$(API_TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(API_TOOLS)/node_modules/.bin/tsc: tests/api_document/package.json
	@mkdir -p $(API_TOOLS) && cp $< $(API_TOOLS)/package.json
	@npm install --silent --no-audit --no-fund --no-package-lock --prefix $(API_TOOLS)
	@touch $@

# Only the one program: installed, the package would start a server.
$(PROMTOOL):
	@etc/install-promtool $(API_TOOLS)

API_EXAMPLES ?= 15
test-api: postgresql $(MAINSTAY) $(API_TOOLS)/venv/installed $(API_TOOLS)/node_modules/.bin/tsc $(PROMTOOL) ## Hold the API against its document: schemathesis, tsc, promtool (needs Python and npm)
	@MAINSTAY=$(MAINSTAY) API_EXAMPLES=$(API_EXAMPLES) tests/api_document/run

FUZZ_SECONDS ?= 60
fuzz-http: ## Fuzz the HTTP reader for FUZZ_SECONDS (needs cargo-fuzz: make setup)
	cd $(HTTP)/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run reader -- \
		-max_total_time=$(FUZZ_SECONDS) -max_len=2048 -dict=http.dict -print_final_stats=1

.PHONY: help run setup postgresql versions gateways check test migrate migrate-status migrate-create migrate-rollback db-start db-stop \
	db-reset db-seed db-psql install uninstall bench-http bench-migrate bench-db test-api bench-api bench-webhooks bench-entities bench-catalogue soak fuzz-http FORCE
