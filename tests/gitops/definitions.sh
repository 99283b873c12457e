#!/usr/bin/env bash
# Copies definitions out of a Go module: definitions.sh DIRECTORY MODULE BEGINNING_OF_THEIR_PATHS OUTPUT_DIRECTORY
set -euo pipefail
out=$(mkdir -p "$4" && cd "$4" && pwd)
cd "$1"
# Not writable, as all of the module's files.
install -m 644 "$(go list -m -f '{{.Dir}}' "$2")/$3"*.yaml "$out"
