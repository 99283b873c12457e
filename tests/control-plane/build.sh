#!/usr/bin/env bash
# Builds the control plane: build.sh OUTPUT_DIRECTORY
#
# A first build compiles Kubernetes, about 7 minutes on 2 cores; Go's cache makes later ones quick.
set -euo pipefail
out=$(mkdir -p "$1/bin" && cd "$1" && pwd)
cd "$(dirname "$0")"

command -v go >/dev/null || {
    echo "the control plane is built with Go 1.26 or later, which is missing: install it from https://go.dev/dl/" >&2
    exit 1
}

# Kubernetes learns its version from the linker; without it, it would serve v0.0.0-master.
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
package=k8s.io/component-base/version
ldflags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"

echo "building etcd, kube-apiserver, kube-controller-manager and kubectl $version"
# The first line says how many packages there are, and each further one names one that was compiled: make goes by it to
# say how far it is.
echo "packages: $(go list -deps . | wc -l)"
# Under its final name only when it is whole: make goes by the file's time.
CGO_ENABLED=0 go build -v -trimpath -ldflags "$ldflags" -o "$out/control-plane.new" .
mv "$out/control-plane.new" "$out/control-plane"
for name in etcd kube-apiserver kube-controller-manager kubectl; do
    ln -sf ../control-plane "$out/bin/$name"
done
