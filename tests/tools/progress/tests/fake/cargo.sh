#!/bin/bash
# A cargo that is made up: it does what stands in `$0.first`, and tells of the suites that are
# beside it in no order, and of another program, too.
tell() {
    printf '{"reason":"compiler-artifact","target":{"kind":["%s"],"name":"%s"},"executable":"%s","fresh":true}\n' "$@"
}
# shellcheck source=/dev/null # A test writes it.
[ ! -e "$0.first" ] || . "$0.first"
tell bin step02-exec "${0%/*}/step02-exec"
for name in step04_child step03_uts step02_exec step01_run; do
    [ ! -e "${0%/*}/$name" ] || tell test $name "${0%/*}/$name"
done
