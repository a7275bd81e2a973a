#!/usr/bin/env bash
# PID 1 of a laptop, in mount and PID namespaces of its own: laptop.sh TOP FOLDER SCRATCH [ROOTFS]
#
# It covers TOP, this repository, with a copy of it, so that nothing a page does lasts, and puts
# a home, and all that is written, into FOLDER, which lies in SCRATCH.
set -eu
top=$1 folder=$2 scratch=$3 rootfs=${4-}
# Its number for those outside, as long as /proc is theirs.
read -r pid _ </proc/self/stat

# An empty /tmp. What lies there and is needed is shown there again.
exec 3<"$top" 4<"$scratch"
mount -t tmpfs -o size=1g tmpfs /tmp
again() {
    case $2 in /tmp/*) mkdir -p "$2" && mount --no-canonicalize --bind "/proc/self/fd/$1" "$2" ;; esac
}
again 3 "$top"
again 4 "$scratch"

mkdir "$folder/copies"
mount -t tmpfs -o size=2g tmpfs "$folder/copies"
mkdir "$folder/copies/upper" "$folder/copies/work"
mount -t overlay -o "lowerdir=$top,upperdir=$folder/copies/upper,workdir=$folder/copies/work" overlay "$top"
# What the reader has made is not there, and a root filesystem is where
# `cargo run --bin rootfs` would put it.
cd "$top"
rm -rf rootfs mine/src mine/examples
[ -z "$rootfs" ] || cp -a "$rootfs" rootfs

mkdir "$folder/home"
echo "PS1='\h\\$ '" >"$folder/home/.bashrc"

# `/` is shared, as systemd has it, and /proc is that of the namespace. PIDs of four digits and
# more are told apart from other numbers in a transcript.
mount --make-rshared /
umount --lazy /proc
mount -t proc -o nosuid,nodev,noexec proc /proc
echo 2600 >/proc/sys/kernel/ns_last_pid
echo "$pid"
# While it waits, bash reaps what is left to it.
read -r _
