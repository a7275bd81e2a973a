#!/bin/sh
# The container of all eight steps, in shell. It takes root, util-linux and coreutils.
#
# usage: container.sh run COMMAND [ARG...]        ROOTFS names the root filesystem (rootfs)
#
# What it lacks: the command is PID 1, which ignores each signal that it does not handle. So
# Ctrl-C does not end `sleep`, and SIGTERM has to become SIGKILL. If this shell itself ends by
# SIGKILL, its cgroup stays.
set -eu

if [ $# -lt 2 ] || [ "$1" != run ]; then
    echo "usage: $0 run COMMAND [ARG...]" >&2
    exit 125
fi
shift

# Step 8: the hierarchy that counts processes, of version 1 or else of version 2. A cgroup is
# busy for a moment after its last process has ended.
top=$(findmnt -fno TARGET -t cgroup -O pids || findmnt -fno TARGET -t cgroup2)
cgroup=$(mktemp -d "$top/container-XXXXXX")
trap 'for _ in $(seq 100); do rmdir "$cgroup" && break; sleep 0.01; done 2>/dev/null' EXIT
[ ! -e "$top/cgroup.subtree_control" ] || echo +pids >"$top/cgroup.subtree_control"
echo 20 >"$cgroup/pids.max"

# A signal reaches this shell only if what it waits for is in the background. There, a command
# is deaf to Ctrl-C and has nothing to read, unless env and descriptor 3 see to it.
export ROOTFS="${ROOTFS:-rootfs}"
exec 3<&0
trap '' INT QUIT
trap 'kill -KILL $!' TERM HUP

# Steps 3, 5 and 7: the namespaces; unshare makes the mounts private. When this shell has ended,
# unshare is killed, and so is PID 1. The inner shell is what `child` is in Rust: it joins the
# cgroup, then comes step 4, step 7, step 6.
# shellcheck disable=SC2016 # the inner shell is to expand these
env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
    unshare --uts --pid --mount --fork --kill-child sh -euc '
        echo 0 >"$0/cgroup.procs"
        hostname container
        mount -t proc -o nosuid,nodev,noexec proc "$ROOTFS/proc"
        exec chroot "$ROOTFS" "$@"
    ' "$cgroup" "$@" <&3 3<&- &

# Step 2: the exit status of the command is ours.
wait $!
