#!/bin/bash
# kill.sh - a conversion killed at random moments leaves the old output or none, never half a new
# one, and the next run tidies.
#
# KILLS of them (20; 200 for the full test) hit a run, half to a file and half to a directory, every
# second one over an output that exists.  SEED is printed; the same seed draws the same moments.
PATH=${WEIGH_BIN:-$PWD/bin}:$PATH
KILLS=${KILLS:-20} SEED=${SEED:-$$}
n=0 failed=0

ok() {
    local rc=$?
    n=$((n + 1))
    if [ $rc -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        failed=$((failed + 1))
    fi
}

old_text="what stood here before"
put_old() {
    case $1 in
    *.gguf) echo "$old_text" >"$1" ;;
    *) mkdir "$1" && echo "$old_text" >"$1/file" ;;
    esac
}
is_old() {
    case $1 in
    *.gguf) [ "$(head -c 100 "$1" | tr -d '\0')" = "$old_text" ] ;;
    *) [ "$(ls "$1")" = file ] && [ "$(cat "$1/file")" = "$old_text" ] ;;
    esac
}
is_new() { diff -r "$1" "expected/$1" >/dev/null 2>&1; }
left_overs() { find . -maxdepth 1 -name '.*.weigh-tmp-*' | wc -l; }
milliseconds() { date +%s%3N; }

convert() { exec weigh-convert src -q -o "$@"; }

# killed SIGNAL DEST OPTION...: a conversion to DEST that is ended some time later; $status
killed() {
    local signal=$1 delay=$((RANDOM * longest / 32768))
    shift
    convert "$@" 2>>log &
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    kill "-$signal" $! 2>>log
    wait $! 2>>log
    status=$?
}

# try SIGNAL ROUNDS DEST OPTION...: kills that conversion again and again, and counts what stands
# at DEST afterwards
try() {
    local signal=$1 rounds=$2 dest=$3 start half=0 new=0 old=0 cut=0 left=0 i force
    shift 2
    start=$(milliseconds)
    (convert "$@")
    longest=$(($(milliseconds) - start))
    is_new "$dest"; ok "$dest: a run that nobody disturbs"
    for ((i = 0; cut < rounds && i < 5 * rounds; i++)); do
        force=()
        rm -rf "$dest"
        if ((i % 2)); then
            force=(-f)
            put_old "$dest"
        fi
        killed "$signal" "$@" "${force[@]}"
        [ "$status" -eq 0 ] || cut=$((cut + 1))
        if is_new "$dest"; then
            new=$((new + 1))
        elif if ((i % 2)); then is_old "$dest"; else [ ! -e "$dest" ]; fi; then
            old=$((old + 1))
        else
            half=$((half + 1))
        fi
        left=$((left + $(left_overs)))
    done
    echo "# $dest, SIG$signal: $i runs, $cut cut short within $longest ms;" \
        "afterwards $old times as before, $new times new" >&2
    [ $half -eq 0 ]; ok "$dest, SIG$signal: never half an output ($half of $i)"
    [ $cut -eq "$rounds" ]; ok "$dest, SIG$signal: $rounds runs were cut short"
    (convert "$@" -f)
    is_new "$dest"; ok "$dest, SIG$signal: the next run succeeds"
    [ "$(left_overs)" -eq 0 ]; ok "$dest, SIG$signal: and leaves nothing over"
    rm -rf "$dest"
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
set -m # or a background process would ignore SIGINT
RANDOM=$SEED
echo "# SEED=$SEED KILLS=$KILLS" >&2

weigh-synth gpt-oss-20b --layers 1 --hidden 128 --intermediate 128 -q -o src; ok "a source"
mkdir expected
weigh-convert src -q -o expected/out.gguf; ok "a file to expect"
weigh-convert src -q --to original -o expected/out; ok "a directory to expect"

try KILL $((KILLS / 2)) out.gguf
try KILL $((KILLS / 2)) out --to original
try TERM $((KILLS / 10 + 2)) out.gguf
try INT $((KILLS / 10 + 2)) out --to original

echo "1..$n"
[ $n -gt 0 ] && [ $failed -eq 0 ]
