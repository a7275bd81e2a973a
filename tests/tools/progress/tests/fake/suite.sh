#!/bin/bash
# A suite that is made up: `--list MODULE`, or `OPTION... TEST...`. Its tests stand in `$0.tests`.
# Which of them fail, and which hang, stands in the program that is asked: `# fails: NAMES`.
# Why, stands in the file `why`.
read -r tests <"$0.tests"
if [ "$1" = --list ]; then
    for test in $tests; do
        [[ $test != *"$2"* ]] || echo "$test: test"
    done
    exit
fi
echo "$CONTAINER" >"$0.asked"
echo "$*" >>"$0.words"
does() { [[ " $(sed -n "s/^# $1: //p" "$CONTAINER") " == *" ${test##*:} "* ]]; }
for test in $tests; do
    [[ " $* " == *" $test "* ]] || continue
    if does hangs; then
        # With SIGTERM, a suite cleans up, and only then it ends.
        trap 'kill $!; sleep 0.3; touch "$0.ended"; exit' TERM
        touch "$0.started"
        sleep 1000 &
        wait
    elif does fails; then
        echo "test $test   ... FAILED"
        failures+="---- $test ----
$(<"${0%/*}/why")

"
    else
        echo "test $test   ... ok"
    fi
done
[ -z "$failures" ] || printf '\nfailures:\n\n%s' "$failures"
echo "test x ... of what is printed here, nothing counts"
