#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A small Debian folder that holds PostgreSQL 18 with the DocumentDB extension, which Debian 12 does not have.
# Runs as root and moves itself into a private mount namespace: no mount stays behind, and the process that is started
# in there keeps its pid, so the pid file outside names the real one.
#
#   rootfs.sh build DIR MIRROR              make the folder
#   rootfs.sh exec DIR DATA USER CMD...     run CMD in it as USER, with the host's folder DATA at /data
set -euo pipefail

suite=forky

# Inside a plain chroot "/" is no mount point, and unshare can't change how its mounts spread; there they stay as they are.
if [ "${MILLRACE_PRIVATE_MOUNTS:-}" != yes ]; then
    export MILLRACE_PRIVATE_MOUNTS=yes
    if unshare -m true 2>/dev/null; then exec unshare -m bash "$0" "$@"; fi
    exec unshare -m --propagation unchanged bash "$0" "$@"
fi

mount_kernel() {
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
}

build() {
    local dir=$1 mirror=$2
    # The 4th word names debootstrap's script: Debian 12's debootstrap has none for this suite.
    debootstrap --variant=minbase "$suite" "$dir" "$mirror" sid
    mount_kernel "$dir"
    # No service may start while packages are configured, and no cluster is made: ours lies in var/postgres.
    printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
    chmod 755 "$dir/usr/sbin/policy-rc.d"
    mkdir -p "$dir/etc/postgresql-common" "$dir/data"
    echo 'create_main_cluster = false' >"$dir/etc/postgresql-common/createcluster.conf"
    # Needed by a root file system that can be kept and copied: no documentation, no package lists.
    echo 'path-exclude /usr/share/doc/*' >"$dir/etc/dpkg/dpkg.cfg.d/no-docs"
    # A mirror that is a snapshot, or lags, serves lists past their date. Their signature is checked all the same, and
    # nothing is ever upgraded in here: the folder is made once per version.
    echo 'Acquire::Check-Valid-Until "false";' >"$dir/etc/apt/apt.conf.d/allow-snapshot"
    inside "$dir" apt-get update
    inside "$dir" apt-get install -y --no-install-recommends postgresql-18-documentdb
    inside "$dir" apt-get clean
    chroot "$dir" sh -c 'rm -rf /var/lib/apt/lists/*'
}

inside() {
    local dir=$1
    shift
    chroot "$dir" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

execute() {
    local dir=$1 data=$2 user=$3
    shift 3
    mount_kernel "$dir"
    # Shared memory of its own: the host's may be closed to others (a bare chroot), and what a killed server leaves in
    # there is gone with it.
    mount --make-rprivate "$dir/dev"
    [ ! -d "$dir/dev/shm" ] || mount -t tmpfs -o mode=1777 tmpfs "$dir/dev/shm"
    mount --bind "$data" "$dir/data"
    [ ! -e "$dir/etc/resolv.conf" ] || mount --bind /etc/resolv.conf "$dir/etc/resolv.conf"
    # The host's certificates: its network may use a CA of its own. An empty folder on the host changes nothing.
    mkdir -p "$dir/etc/ssl/certs"
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || mount --bind /etc/ssl/certs "$dir/etc/ssl/certs"
    cd /
    exec chroot --userspec="$user" "$dir" env -i HOME=/tmp LC_ALL=C.UTF-8 \
        PATH=/usr/lib/postgresql/18/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

case ${1:-} in
build) shift; build "$@" ;;
exec) shift; execute "$@" ;;
*) echo "usage: rootfs.sh build|exec ..." >&2; exit 2 ;;
esac
