#!/usr/bin/env bash
# Makes the image's archive, without a container engine: puts together what is in it, and packs that.
#
#   deploy/image/archive.sh PROGRAM OCI_IMAGE DIRECTORY [SBOM]
#
# PROGRAM is the operator, OCI_IMAGE what deploy/image/oci builds. In DIRECTORY are then
# ecr-operator-VERSION-oci.tar and, as the file's text, the image's digest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ $# -lt 3 ] || [ $# -gt 4 ]; then
  echo "usage: $0 PROGRAM OCI_IMAGE DIRECTORY [SBOM]" >&2
  exit 2
fi
program=$1 packer=$2 directory=$3

version=$("$program" --version)
version=${version#ecr-operator }
archive=$directory/ecr-operator-$version-oci.tar
mkdir -p "$directory"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

"$here/rootfs.sh" "$program" "$root/image" ${4:+"$4"}
# Outside of a checkout, as in an unpacked archive of the sources, neither is known.
revision=$(git -C "$here" rev-parse HEAD 2>/dev/null || echo unknown)
created=$(TZ=UTC git -C "$here" log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo 1970-01-01T00:00:00Z)
digest=$("$packer" -root "$root/image" -out "$archive" -version "$version" \
  -revision "$revision" -created "$created" -source "${SOURCE:-unknown}")
echo "$digest" >"$archive.digest"

echo "$archive ($(du -h "$archive" | cut -f1), $digest)"
echo "load it:  skopeo copy oci-archive:$archive docker://REGISTRY/ecr-operator:$version"
echo "      or  crane push $archive REGISTRY/ecr-operator:$version"
echo "      or  kind load image-archive $archive"
