# syntax=docker/dockerfile:1

# The operator alone: a static binary and the certificate authorities that it trusts. No shell, no
# package manager, not root.
#
# No container engine has built this file yet. Its two build commands were run as they stand on
# Debian 12, which the build image is made of. Before you publish an image, pin the base by digest.

FROM rust:1.95.0-slim-bookworm AS build
# The image's own toolchain: rust-toolchain.toml would fetch clippy and rustfmt as well.
ENV RUSTUP_TOOLCHAIN=1.95.0
# musl-tools compiles aws-lc, the crypto library, for a static build.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates musl-tools \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(uname -m)-unknown-linux-musl" \
    && cargo build --release --locked --package ecr-operator --bin ecr-operator --target "$target" \
    && install -D "target/$target/release/ecr-operator" /out/ecr-operator

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/ecr-operator /ecr-operator
USER 65532:65532
ENTRYPOINT ["/ecr-operator"]
CMD ["run"]
