# Looks around in a container: leaks has it executed there, as `sh -c PROBE MARKER PID PROGRAM`.
# A line that starts with MARKER, which is $0, is for leaks. PID is that of leaks on the host, and
# PROGRAM its path there. All it takes is a shell; what cannot be found out is not told.
pid=$1 program=$2
exec 2>&1
tell() { echo "$0 $*"; }

tell pid $$
read -r name </proc/sys/kernel/hostname || name=$(hostname) || name=$(uname -n)
tell hostname "$name"
read -r release </proc/sys/kernel/osrelease || release=$(uname -r)
tell release "$release"
read -r boot </proc/sys/kernel/random/boot_id && tell boot "$boot"

# What follows is for leaks to fall back on, where it cannot see this process from the host.
for kind in uts pid mnt net ipc user cgroup time; do
    link=$(readlink /proc/self/ns/$kind) && tell ns/$kind "$link"
done
set -- /proc/[0-9]*
[ -e "$1" ] && tell processes $#
read -r name </proc/"$pid"/comm && tell comm "$name"
if [ -e "$program" ]; then tell files host; else tell files own; fi
set -- /dev/*
tell devices "$*"
read -r inside outside count </proc/self/uid_map && tell users "$inside $outside $count"
while read -r key value; do
    [ "$key" = CapEff: ] && tell capabilities "$value"
done </proc/self/status
read -r max </sys/fs/cgroup/pids.max || read -r max </sys/fs/cgroup/pids/pids.max
tell limit "$max"

# Until leaks has looked at this process, too, and closes its standard input.
tell end
read -r _
exit 0
