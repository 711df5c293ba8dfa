#!/usr/bin/env bash
# forward.sh - our forward pass beside llama.cpp's, on the same GGUF of real gpt-oss-20b shape.
#
# usage: tests/bench/forward.sh BIN FORWARD     (called by `make bench`)
#
# Two layers (BENCH_FORWARD_LAYERS); both run in turn, BENCH_PAIRS (5) times; medians.  llama.cpp is
# the one that `make clients` installed: without it only our figures are printed.
set -euo pipefail

PATH=$PWD/$1:$PATH
forward=$PWD/$2
dir=${BENCH_DIR:-build/bench}
pairs=${BENCH_PAIRS:-5}
prefill=128 decode=32
clients=build/clients

mkdir -p "$dir"
rm -rf "$dir/shape"
weigh-synth gpt-oss-20b --layers "${BENCH_FORWARD_LAYERS:-2}" -q -o "$dir/shape"
weigh-convert -q -f "$dir/shape" -o "$dir/shape.gguf"
rm -f "$dir/ours" "$dir/llama"

peer=yes
[ -e $clients/installed ] || peer=
[ -z "$peer" ] || cp tests/clients/speed.mjs $clients
[ -n "$peer" ] || echo "SKIP llama.cpp: make clients installs it"
for ((i = 0; i < pairs; i++)); do
    "$forward" "$dir/shape.gguf" $prefill $decode >>"$dir/ours"
    [ -z "$peer" ] || node $clients/speed.mjs "$dir/shape.gguf" $prefill $decode >>"$dir/llama"
done

# median FILE COLUMN
median() {
    awk -v c="$2" '{ print $c }' "$dir/$1" | sort -g |
        awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

row() {
    awk -v what="$1" -v ours="$(median ours "$2")" -v peer="${peer:+$(median llama "$2")}" 'BEGIN {
        printf "%-24s %9.2f tokens/s", what, ours
        if (peer != "") printf "   llama.cpp %9.2f   ratio %.2f", peer, ours / peer
        print "" }'
}

echo
row "prefill of $prefill tokens" 1
row "decode" 2
rm -rf "$dir/shape" "$dir/shape.gguf"
