# shellcheck shell=bash
# What the scripts of more than one tool need. `$1` is the program that is tested.
set -eu
umask 022
top=$PWD
mkdir program here
chmod 777 here
# A copy that every user may execute, for the program may lie in a home that is closed.
install -m 755 "$1" program
PATH=$top/program:$PATH
user() { setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }
say() { echo "not so: $*"; exit 1; }
# heard TEXT...: in what the last command has said.
said=
heard() {
    local text
    for text; do
        case $said in *"$text"*) ;; *) say "$text in: $said" ;; esac
    done
}
# eventually COMMAND...: this holds, within a minute.
eventually() {
    for _ in $(seq 1200); do
        ! "$@" || return 0
        sleep 0.05
    done
    say "eventually, $*"
}
# script PATH TEXT: makes a program of sh's.
script() {
    printf '#!/bin/sh\n%s\n' "$2" >"$1"
    chmod 755 "$1"
}
cd here
