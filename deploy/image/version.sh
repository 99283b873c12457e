#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version; refuses one that is not the version of these sources.
#
#   deploy/image/version.sh 0.1.0
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${1:?a version, such as 0.1.0}
ours=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
if [ "$version" != "$ours" ]; then
  echo "$0: the tag says $version and Cargo.toml $ours" >&2
  exit 1
fi
notes=$(awk -v heading="## [$version]" '/^## / { ours = index($0, heading) == 1; next } ours' CHANGELOG.md)
if [ -z "${notes//[[:space:]]/}" ]; then
  echo "$0: CHANGELOG.md has no section [$version] with a word in it" >&2
  exit 1
fi
echo "$notes"
