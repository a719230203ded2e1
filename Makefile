# The words of the project. Each only calls the native tools, by way of small scripts in tools/.
.DEFAULT_GOAL := help
.PHONY: help demo test test-all examples build install uninstall dist docs header bench instructions deny autobahn flood large soak fuzz crowd fmt lint clean

help: ## list these words
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## see it work: library, echo server, then C, C++, Python, Go and Rust over ws and wss
	@tools/demo.sh

test: ## every test of every language (under 8 minutes)
	@tools/test.sh

test-all: ## make test, then foreign servers, Autobahn (short) and the sanitizers
	@tools/test.sh
	@tools/test-all.sh

examples: ## run every example against the echo server
	@tools/setup.sh
	@tools/build.sh
	@tools/examples.sh

build: ## the library (target/release), the examples and what the Go package links
	@tools/setup.sh
	@tools/build.sh

install: ## headers, libraries, wsdial.pc and the CMake package under PREFIX (/usr/local), LIBDIR, DESTDIR
	@tools/install.sh install

uninstall: ## take them away again, with the same PREFIX, LIBDIR and DESTDIR
	@tools/install.sh uninstall

dist: ## archives for others in dist/: source, SDK, Go module, wheel, bill of materials, checksums
	@tools/dist.sh

docs: ## the documentation site, in .build/docs
	@tools/docs.sh

header: ## write include/wsdial.h anew from src/ffi, and what is made of it
	@tools/header.sh

bench: ## our C client beside its peers
	@benches/run.sh

instructions: ## the hot paths under callgrind, held to benches/instructions.txt
	@benches/instructions.sh

deny: ## licences, advisories and sources of all that is linked (its tool is built first; reads the advisory database)
	@tools/deny.sh

autobahn: ## the whole Autobahn testsuite, through C, Go, Python and asyncio (about 12 minutes each)
	@tests/autobahn/run.sh
	@tests/autobahn/run.sh --client go
	@tests/autobahn/run.sh --client client.py
	@tests/autobahn/run.sh --client client_aio.py

flood: ## both sides flood each other, a hundred times in a row over each transport (three minutes)
	WSDIAL_FLOOD=100 cargo test --release --test flood full -- --nocapture

crowd: ## as many Go connections as the limit of descriptors allows: threads, descriptors, memory (seconds)
	@tools/build.sh
	cd bindings/go && WSDIAL_CROWD=all go test -count=1 -v -run TestACrowd .

large: ## a gigabyte through 64 KiB of memory, each way, plain, TLS and compressed
	WSDIAL_LARGE=1024 cargo test --release --test large -- --nocapture

soak: ## sessions without end, reset and cut: nothing lost, memory flat, an hour (SOAK=seconds)
	WSDIAL_SOAK=$(or $(SOAK),3600) cargo test --release --test soak -- --nocapture

fuzz: ## the fuzzer, a minute on each target (FUZZ=seconds)
	@tools/fuzz.sh $(or $(FUZZ),60)

fmt: ## format Rust and Go
	cargo fmt
	gofmt -w bindings/go examples/go

lint: ## what CI refuses to pass
	@tools/lint.sh

clean: ## remove what was built, the Python environment included
	cargo clean
	rm -rf .build .venv bindings/go/lib/*/libwsdial.a bindings/go/wsdial.h bindings/python/build bindings/python/src/wsdial.egg-info
