# The operator, the few libraries of glibc that it is linked with, and the certificate authorities that
# it trusts: no shell, no package manager, not root. deploy/image/rootfs.sh says what is in it, and the
# scenario tests/scenarios/image.rs runs that.
#
# The base is pinned by its digest, which Dependabot moves with the version. The list of what is in the program is made in
# a stage of its own: the tool that makes it has many dependencies, and none of them runs where the program is built.
# No container engine has built this file yet. What it puts together is tested without one: the script
# below is what the tests call as well (tests/scenarios/image.rs).

FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS rust
# The image's own toolchain: rust-toolchain.toml would fetch clippy and rustfmt as well.
ENV RUSTUP_TOOLCHAIN=1.95.0

FROM rust AS sbom
ARG CARGO_CYCLONEDX_VERSION=0.5.9
RUN cargo install --locked "cargo-cyclonedx@${CARGO_CYCLONEDX_VERSION}"
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY tests/emulator/Cargo.toml tests/emulator/Cargo.toml
COPY xtask/Cargo.toml xtask/Cargo.toml
RUN mkdir -p src tests/emulator/src tests/emulator/benches xtask/src \
    && touch src/lib.rs src/main.rs tests/emulator/src/lib.rs tests/emulator/src/main.rs \
        tests/emulator/benches/speed.rs xtask/src/lib.rs xtask/src/main.rs
COPY deploy/release/sbom.sh deploy/release/sbom.sh
RUN deploy/release/sbom.sh /ecr-operator.cdx.json

FROM rust AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# Debian's stable release changes a package for its security only: the newest is the one to have.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# The dependencies, in a layer that only a change of theirs makes anew: the workspace with empty programs.
COPY Cargo.toml Cargo.lock ./
COPY tests/emulator/Cargo.toml tests/emulator/Cargo.toml
COPY xtask/Cargo.toml xtask/Cargo.toml
RUN mkdir -p src tests/emulator/src tests/emulator/benches xtask/src \
    && touch src/lib.rs tests/emulator/src/lib.rs xtask/src/lib.rs \
    && echo 'fn main() {}' | tee src/main.rs tests/emulator/src/main.rs xtask/src/main.rs \
        > tests/emulator/benches/speed.rs \
    && cargo build --release --locked --package ecr-operator --bin ecr-operator

# The sources' dates may be older than the empty programs, and cargo goes by dates.
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --package ecr-operator --bin ecr-operator

COPY deploy/image/rootfs.sh deploy/image/rootfs.sh
COPY --from=sbom /ecr-operator.cdx.json /ecr-operator.cdx.json
RUN deploy/image/rootfs.sh target/release/ecr-operator /rootfs /ecr-operator.cdx.json
# All that it needs to start is there, and it is the program and not the empty one.
RUN chroot --userspec=65532:65532 /rootfs /ecr-operator --version | grep -q '^ecr-operator '

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="ecr-operator" \
      org.opencontainers.image.description="A Kubernetes operator that makes AWS ECR match custom resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /rootfs /
USER 65532:65532
ENTRYPOINT ["/ecr-operator"]
CMD ["run"]
