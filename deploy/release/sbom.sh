#!/usr/bin/env bash
# Writes which crates are in the program (CycloneDX).
#
#   deploy/release/sbom.sh FILE
#
# CARGO_CYCLONEDX names another program than the one in PATH.
set -euo pipefail
file=$(realpath -m "${1:?a file}")
cd "$(dirname "$0")/../.."

"${CARGO_CYCLONEDX:-cargo-cyclonedx}" cyclonedx --quiet --format json --spec-version 1.5 --target all
rm -f xtask/xtask.cdx.json tests/emulator/ecr-emulator.cdx.json
[ "$file" = "$PWD/ecr-operator.cdx.json" ] || mv ecr-operator.cdx.json "$file"
