#!/usr/bin/env bash
# Runs the image's program as a cluster would, without a container engine: the directory that rootfs.sh
# made is its root, read-only, and its user is not root and has no capability.
#
#   deploy/image/confined.sh DIRECTORY [ARGUMENTS]
#
# Root needs nothing more. Anybody else needs user namespaces. Each step gives way to the next, so the
# process that was started is the program in the end, and signals reach it.
set -euo pipefail

root=$1
shift
user=65532

if [ "$(id -u)" = 0 ]; then
  namespace=(unshare --mount)
  # One that maps root to the user would let it read what root alone may.
  enter=(setpriv --no-new-privs chroot "--userspec=$user:$user" "--groups=$user" "$root" /ecr-operator)
else
  unshare --user --map-root-user --mount true 2>/dev/null || {
    echo "$0: user namespaces are not permitted here: run it as root, or set sysctl kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0, as far as this system knows them" >&2
    exit 1
  }
  namespace=(unshare --user --map-root-user --mount)
  enter=(setpriv --no-new-privs unshare --user "--map-user=$user" "--map-group=$user" "--root=$root" /ecr-operator)
fi

exec "${namespace[@]}" -- bash -euc '
  root=$1
  shift
  mount --bind "$root" "$root"
  mount -o remount,bind,ro "$root"
  exec "$@"
' confined "$root" "${enter[@]}" "$@"
