#!/bin/bash
# A container without a mount namespace, with a cgroup in each hierarchy: what it mounts on
# /sys hides them from the host, and all that is in them goes on.
shift
for procs in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
    [ -e "$procs" ] || continue
    folder=${procs%/*}/hostile-$$
    mkdir "$folder"
    echo $$ >"$folder/cgroup.procs"
done 2>/dev/null
sleep 4711 &
mount -t sysfs none /sys
mount -t tmpfs none /sys/fs/cgroup
"$@"
