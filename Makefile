# What one does here, a word each. `make` alone lists it.

.DEFAULT_GOAL := help
HTTP := src/tiny_http

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the benchmarks and the fuzzer need (Debian and its kin)
	@if command -v apt-get >/dev/null; then $$([ "$$(id -u)" = 0 ] || echo sudo) apt-get install -y wrk strace; \
	else echo "install wrk and strace with this system's package manager"; fi
	cargo install --locked cargo-fuzz

check: ## Everything that must hold: format, lints, documentation, tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	$(MAKE) test

test: ## Run all tests
	cargo test --workspace

bench-http: ## Measure the HTTP server against tiny_http 0.12.0 and axum (needs wrk and strace: make setup)
	cd $(HTTP)/bench && cargo build --release --quiet --locked --bins && target/release/bench-http $(ARGS)

FUZZ_SECONDS ?= 60
fuzz-http: ## Fuzz the HTTP reader for FUZZ_SECONDS (needs cargo-fuzz: make setup)
	cd $(HTTP)/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run reader -- \
		-max_total_time=$(FUZZ_SECONDS) -max_len=2048 -dict=http.dict -print_final_stats=1

.PHONY: help setup check test bench-http fuzz-http
