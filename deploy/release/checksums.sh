#!/usr/bin/env bash
# Writes SHA256SUMS of every file in a directory, and checks it.
#
#   deploy/release/checksums.sh DIRECTORY
set -euo pipefail
cd "${1:?a directory}"

rm -f SHA256SUMS
# In an order that does not depend on the language.
LC_ALL=C
export LC_ALL
sums=$(sha256sum -- *)
echo "$sums" >SHA256SUMS
sha256sum --check --quiet SHA256SUMS
