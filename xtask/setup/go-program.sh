#!/usr/bin/env bash
# Builds a program of Go: go-program.sh DIRECTORY PACKAGE PROGRAM [LINKER FLAGS]
#
# With the flags of tests/control-plane/build.sh: what they are made of, at one version, is compiled once.
set -euo pipefail
directory=$1 package=$2 program=$3 flags=${4:-}
out=$(mkdir -p "$(dirname "$program")" && cd "$(dirname "$program")" && pwd)/$(basename "$program")
cd "$directory"

# setup.py goes by these lines.
echo "packages: $(go list -deps "$package" | wc -l)"
CGO_ENABLED=0 go build -v -trimpath -ldflags "-s -w $flags" -o "$out.new" "$package"
# Under its final name only when it is whole: make goes by the file's time.
mv "$out.new" "$out"
