#!/usr/bin/env bash
# Puts together all that is in the image: the program, the libraries that it is linked with, the
# certificate authorities that it trusts, and its user. The Dockerfile calls this, and so does the
# scenario that runs the outcome.
#
#   deploy/image/rootfs.sh PROGRAM DIRECTORY [SBOM]
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  echo "usage: $0 PROGRAM DIRECTORY [SBOM]" >&2
  exit 2
fi
program=$1 root=$2 sbom=${3:-}
authorities=/etc/ssl/certs/ca-certificates.crt

die() {
  echo "$0: $*" >&2
  exit 1
}

[ -x "$program" ] || die "$program is not a program"
[ ! -e "$root" ] || die "$root is there already"
[ -s "$authorities" ] || die "$authorities is missing: install the package ca-certificates"

# Where Debian has merged /lib into /usr/lib, its package database may know either name.
package_of() {
  dpkg -S "$1" 2>/dev/null || dpkg -S "/usr$1" 2>/dev/null || dpkg -S "${1#/usr}" 2>/dev/null || true
}

# A scanner of images finds the libraries by these entries, as in Google's distroless images.
describe() {
  local package
  package=$(package_of "$1" | head -n 1 | cut -d: -f1)
  [ -n "$package" ] || return 0
  dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
  install -D -m 0644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
}

install -D -m 0755 "$program" "$root/ecr-operator"
install -D -m 0644 "$authorities" "$root$authorities"
install -D -m 0644 /etc/os-release "$root/etc/os-release"
if [ -n "$sbom" ]; then
  install -D -m 0644 "$sbom" "$root/usr/share/sbom/ecr-operator.cdx.json"
fi

mkdir -p "$root/var/lib/dpkg/status.d"
while read -r library; do
  case ${library##*/} in
    ld-linux-*.so.* | libc.so.6 | libm.so.6 | libgcc_s.so.1) ;;
    *) die "the program needs $library: say here that it may, or build without it" ;;
  esac
  install -D -m 0755 "$library" "$root$library"
  command -v dpkg >/dev/null && describe "$library"
done < <(ldd "$program" | grep -oE '/[^ ]+\.so[^ ]*')

printf 'nonroot:x:65532:65532:nonroot:/:/nonexistent\n' >"$root/etc/passwd"
printf 'nonroot:x:65532:\n' >"$root/etc/group"
# Without it the C library would look for services that are not here.
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
