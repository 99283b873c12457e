# The two commands to know: `make demo` shows the main job on real input, `make test` runs every test.
# `make` alone lists the rest. On a fresh machine they need Rust (rustup), Go 1.26 or later, a C
# compiler and the package registries; all else is built under target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TARGET := $(or $(CARGO_TARGET_DIR),target)
CONTROL_PLANE := $(TARGET)/control-plane/control-plane
CONTROL_PLANE_SOURCES := $(filter-out %_test.go,$(shell find tests/control-plane -name '*.go')) \
	tests/control-plane/go.mod tests/control-plane/go.sum tests/control-plane/build.sh

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | sort | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

.PHONY: control-plane
control-plane: $(CONTROL_PLANE) ## build etcd, kube-apiserver, kube-controller-manager, kubectl

$(CONTROL_PLANE): $(CONTROL_PLANE_SOURCES)
	tests/control-plane/build.sh $(TARGET)/control-plane
