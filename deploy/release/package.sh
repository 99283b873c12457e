#!/usr/bin/env bash
# Puts together what a release has beside the image and the programs: the chart, the definitions, and install.yaml.
#
#   deploy/release/package.sh VERSION DIRECTORY
#
# HELM names another helm than the one in PATH. The release workflow and tests/packaging call this.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ $# -ne 2 ]; then
  echo "usage: $0 VERSION DIRECTORY" >&2
  exit 2
fi
version=$1 directory=$2

mkdir -p "$directory"
"${HELM:-helm}" package deploy/helm/ecr-operator --version "$version" --app-version "$version" --destination "$directory"
cat crds/*.yaml >"$directory/crds.yaml"
sed "s|image: ecr-operator:.*|image: ${IMAGE:-ecr-operator}:$version|" deploy/install.yaml >"$directory/install.yaml"
