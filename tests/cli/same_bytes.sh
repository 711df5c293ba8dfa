#!/bin/bash
# same_bytes.sh - equal inputs give equal bytes, whatever the threads, tiles, locale, umask, folder
# and time.
#
# The GGUF is made in every combination of them, the other outputs in a sample of SAMPLE (16).
PATH=${WEIGH_BIN:-$PWD/bin}:$PATH
data=$PWD/tests/data/tiny-gpt-oss
SAMPLE=${SAMPLE:-16}
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

scratch=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 1 # where fsync costs nothing
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

# Two folders, and in each the source of two points in time.
folders=(a "a much longer name, b")
times=(src later/src)
for folder in "${folders[@]}"; do
    mkdir -p "$folder/later"
    for source in "${times[@]}"; do
        cp -r "$data" "$folder/$source"
        weigh-convert "$folder/$source" -q --reversible -o "$folder/${source%src}r.gguf"
    done
    find "$folder/src" "$folder/r.gguf" -exec touch -d '2001-02-03 04:05:06' {} +
done

locales=(C)
mkdir locales
if localedef -i de_DE -f UTF-8 "$scratch/locales/de_DE.UTF-8" >/dev/null 2>&1; then
    export LOCPATH=$scratch/locales
    locales+=(de_DE.UTF-8)
else
    echo "SKIP: no locale with a decimal comma" >&2
fi
jobs=(1 2 3 7) tiles=(4K 64K 1M "") umasks=(022 077)

# run_in FOLDER TIME LOCALE UMASK COMMAND: in the folder of the source, where all paths are short
run_in() {
    cd "$1/$(dirname "$2")" || exit 1
    umask "$4"
    export LC_ALL=$3 LANG=$3
    eval "$5" 2>"$scratch/log"
}

# The digest of a file, or of a folder's names and contents.
digest() {
    if [ -d "$1" ]; then
        (cd "$1" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum) | sha256sum
    else
        sha256sum <"$1"
    fi
}

# same STEP NAME COMMAND: the command writes the same `out` in every STEP-th combination.  In it
# \$how stands for the threads and tiles.
same() {
    local step=$1 name=$2 command=$3 k=0 runs=0 bad=0 first="" how folder source locale mask j tile
    for folder in "${folders[@]}"; do for source in "${times[@]}"; do
    for locale in "${locales[@]}"; do for mask in "${umasks[@]}"; do
    for j in "${jobs[@]}"; do for tile in "${tiles[@]}"; do
        [ $((k++ % step)) -eq 0 ] || continue
        how="-j $j${tile:+ --tile=$tile}"
        (run_in "$folder" "$source" "$locale" "$mask" "${command//\$how/$how}") || bad=$((bad + 1))
        here="$folder/${source%src}out"
        made=$(digest "$here")
        rm -rf "$here"
        first=${first:-$made}
        runs=$((runs + 1))
        if [ "$made" != "$first" ]; then
            bad=$((bad + 1))
            echo "# $name differs with $how, $locale, umask $mask in $folder/$source" >&2
        fi
    done; done
    done; done
    done; done
    total=$((total + runs))
    [ $bad -eq 0 ] && [ $runs -gt 1 ]; ok "$name: $runs combinations"
}

all=$((${#folders[@]} * ${#times[@]} * ${#locales[@]} * ${#umasks[@]} * ${#jobs[@]} * ${#tiles[@]}))
some=$((all / SAMPLE - 1)) # no divisor of the sizes: all values occur
total=0
same 1 "GGUF" 'weigh-convert src -q $how --to gguf -o out'
for type in f32 f16 bf16; do
    same $some "GGUF of $type" "weigh-convert src -q \$how --to gguf --type $type -o out"
done
same $some "GGUF to a stream" 'weigh-convert src -q $how --to gguf -o - >out'
same $some "reversible GGUF" 'weigh-convert src -q $how --to gguf --reversible -o out'
same $some "set of GGUFs" 'weigh-convert src -q $how --to gguf --shard-size 300K -o out/'
same $some "HF" 'weigh-convert r.gguf -q $how --to hf --type bf16 -o out/'
same $some "HF, restored" 'weigh-convert r.gguf -q $how --to hf -o out/'
same $some "HF in shards" 'weigh-convert src -q $how --to hf --shard-size 300K -o out/'
same $some "original" 'weigh-convert src -q $how --to original -o out/'
same $some "reversible original" 'weigh-convert src -q $how --to original --reversible -o out/'
same $some "plan" 'weigh-convert src -q $how --to gguf -o x.gguf -n --plan out >/dev/null'
same $some "printed plan" 'weigh-convert src -q $how --to hf -n --json >out'
same $some "manifest" 'weigh-verify create src -q $how -o out'
same $some "inspection" 'weigh-inspect --json r.gguf >out'
same $some "differences" 'weigh-diff --json $how src r.gguf >out'
echo "# $total combinations, $all of them for one form" >&2

echo "1..$n"
[ $n -gt 0 ] && [ $failed -eq 0 ]
