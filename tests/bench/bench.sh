#!/usr/bin/env bash
# bench.sh - times the tools against cp and openssl on a synthetic checkpoint.
#
# usage: tests/bench/bench.sh BIN MEASURE     (called by `make bench`)
#
# BENCH_DIR (build/bench) needs four times the checkpoint's size; BENCH_LAYERS (8: 6 GB) sets that,
# BENCH_PAIRS (5) the number of runs.  What is compared runs in turn, so that a slow spell of the
# machine meets both; each figure is the median.  The input is warm.
set -euo pipefail

PATH=$PWD/$1:$PATH
measure=$PWD/$2
dir=${BENCH_DIR:-build/bench}
layers=${BENCH_LAYERS:-8}
pairs=${BENCH_PAIRS:-5}
model=$dir/model
gguf=$dir/model.gguf

# The demanded bounds.
most_convert=1.25   # times cp and sync
most_manifest=1.8   # times cp and sync
most_check=1.11     # times openssl dgst -sha256 of the same bytes, one core: 0.9 of its rate
most_rss=128        # MiB at the peak of a conversion, whatever the model's size
most_rss_vocab=256  # the same with a tokenizer.json of 28 MB
most_summary=0.2    # seconds, for a 120b directory
least_synth=0.5     # GB/s

# --- measuring -----------------------------------------------------------------

# timed NAME COMMAND...: adds "WALL CPU RSS" to the runs of that name.
timed() {
    local name=$1
    shift
    "$measure" "$@" >>"$dir/runs/$name" 2>"$dir/log" || {
        echo "bench: failed: $*" >&2
        cat "$dir/log" >&2
        exit 1
    }
}

# median NAME COLUMN (1 wall, 2 cpu, 3 rss)
median() {
    awk -v c="$2" '{ print $c }' "$dir/runs/$1" | sort -g |
        awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# --- what is measured --------------------------------------------------------------

synthesise() {
    rm -rf "$model"
    timed synth weigh-synth gpt-oss-20b --layers "$layers" --form hf -q -o "$model"
    bytes=$(cat "$model"/*.safetensors | wc -c) # reads it too: warm from here on
    mkdir -p "$dir/lean" # the same without its tokenizer
    ln -sf "$(realpath "$model")"/{*.safetensors,*.index.json,config.json} "$dir/lean/"
    weigh-synth gpt-oss-120b --form hf --sparse -q -o "$dir/120b"
    [ "$bytes" -ge $((4 << 30)) ] || echo "bench: only $bytes bytes: figures below 4 GiB say little" >&2
}

conversions() {
    for ((i = 0; i < pairs; i++)); do
        rm -rf "$dir/copy"
        # shellcheck disable=SC2016
        timed cp sh -c 'cp -r "$0" "$1" && sync "$1" "$1"/*' "$model" "$dir/copy"
        rm -rf "$dir/copy" "$gguf"
        timed convert weigh-convert -q "$model" -o "$gguf"
        rm -f "$gguf" "$gguf.manifest"
        timed manifest weigh-convert -q "$model" -o "$gguf" --manifest "$gguf.manifest"
    done
}

# Peak memory: without a tokenizer, and of 65 GB (holes, to nowhere: nothing is left on the disk).
memory() {
    # shellcheck disable=SC2016
    to_nowhere='exec weigh-convert -q "$0" -o - --to gguf >/dev/null'
    timed lean sh -c "$to_nowhere" "$dir/lean"
    timed large sh -c "$to_nowhere" "$dir/120b"
}

checks() {
    weigh-verify create "$model" -q -o "$dir/model.manifest"
    for ((i = 0; i < pairs; i++)); do
        timed openssl openssl dgst -sha256 "$gguf"
        timed check weigh-verify check -q "$gguf" --manifest "$gguf.manifest"
        timed check1 weigh-verify check -q -j 1 "$model" --manifest "$dir/model.manifest"
        timed checkn weigh-verify check -q "$model" --manifest "$dir/model.manifest"
        timed summary weigh-inspect "$dir/120b"
    done
}

# --- the table ---------------------------------------------------------------------

# row WHAT FIGURE UNIT BOUND: BOUND is "<= N" or ">= N"
row() {
    awk -v what="$1" -v figure="$2" -v unit="$3" -v sign="${4% *}" -v bound="${4#* }" 'BEGIN {
        met = sign == "<=" ? figure <= bound : figure >= bound
        printf "%-44s %9.3f %-8s %s %-6s %s\n", what, figure, unit, sign, bound, met ? "met" : "NOT MET" }'
}

# plain WHAT NAME: wall and CPU time, and the rate over the model's bytes
plain() {
    awk -v what="$1" -v wall="$(median "$2" 1)" -v cpu="$(median "$2" 2)" -v bytes="$bytes" 'BEGIN {
        printf "%-44s %9.3f s  %8.3f s cpu  %7.3f GB/s\n", what, wall, cpu, bytes / wall / 1e9 }'
}

ratio() {
    awk -v a="$(median "$1" 1)" -v b="$(median "$2" 1)" 'BEGIN { print a / b }'
}

# mib NAME: peak memory
mib() {
    awk -v b="$(median "$1" 3)" 'BEGIN { print b / 1048576 }'
}

table() {
    echo "$(nproc) cores, $bytes bytes of tensors in $layers layers, medians of $pairs"
    plain "cp -r, sync" cp
    plain "weigh-convert to GGUF" convert
    plain "weigh-convert to GGUF --manifest" manifest
    plain "openssl dgst -sha256" openssl
    plain "weigh-verify check" check
    plain "weigh-synth" synth
    echo
    row "convert / cp" "$(ratio convert cp)" times "<= $most_convert"
    row "convert --manifest / cp" "$(ratio manifest cp)" times "<= $most_manifest"
    row "check / openssl dgst" "$(ratio check openssl)" times "<= $most_check"
    row "check of shards, all cores / one" "$(ratio checkn check1)" times "<= 0.8"
    row "convert, peak memory" "$(mib lean)" MiB "<= $most_rss"
    row "convert with the tokenizer, peak memory" "$(mib convert)" MiB "<= $most_rss_vocab"
    row "convert 65 GB, peak memory" "$(mib large)" MiB "<= $most_rss_vocab"
    row "convert --manifest, peak memory" "$(mib manifest)" MiB "<= $most_rss_vocab"
    row "weigh-inspect of 120b, summary" "$(median summary 1)" s "<= $most_summary"
    row "weigh-synth" "$(awk -v s="$(median synth 1)" -v b="$bytes" 'BEGIN { print b / s / 1e9 }')" GB/s ">= $least_synth"
}

rm -rf "$dir/runs"
mkdir -p "$dir/runs"
synthesise
conversions
memory
checks
table
rm -rf "$model" "$gguf" "$gguf.manifest" "$dir/copy" "$dir/lean" "$dir/120b" "$dir/model.manifest"
