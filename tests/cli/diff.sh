#!/bin/bash
# diff.sh - weigh-diff: every form of the bundled model is equal, one flipped bit is not.
export PATH=${WEIGH_BIN:-$PWD/bin}:$PATH
n=0 failed=0

ok() {
    local rc=$?
    n=$((n + 1))
    if [ $rc -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        [ -z "$said" ] || head -5 <<<"$said" | sed 's/^/# /'
        failed=$((failed + 1))
    fi
}

# says RC TEXT A B...: weigh-diff exits so and prints exactly that
says() {
    local rc=$1 text=$2
    shift 2
    said=$(weigh-diff "$@" 2>&1)
    [ $? -eq "$rc" ] && [ "$said" = "$text" ]
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
tiny=tests/data/tiny-gpt-oss
weigh-convert -q $tiny -o "$scratch/tiny.gguf" && weigh-convert -q $tiny -o "$scratch/one.safetensors" || exit 1

says 0 "equal: 79 tensors, bit for bit" $tiny $tiny/original; ok "the two published forms"
says 0 "equal: 79 tensors, bit for bit" $tiny "$scratch/one.safetensors"; ok "two shards and one file"
says 0 "equal values: 49 of 79 tensors stored in another type, 30 bit for bit" $tiny "$scratch/tiny.gguf"
ok "a directory and its GGUF"
says 0 "equal values: 49 of 79 tensors stored in another type, 30 bit for bit" "$scratch/tiny.gguf" $tiny/original
ok "the GGUF and original/"
says 0 "equal values: 12 of 79 tensors stored in another type, 67 bit for bit" $tiny $tiny/bf16
ok "MXFP4 and its exact widening"

# One bit in one tensor of a copy.
cp "$scratch/one.safetensors" "$scratch/flip.safetensors"
at=$(weigh-inspect "$scratch/one.safetensors@model.layers.2.self_attn.sinks" | awk 'NR == 2 { print $5 }')
byte=$(od -An -tu1 -j "$((at + 7))" -N 1 "$scratch/one.safetensors")
printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$scratch/flip.safetensors" bs=1 seek="$((at + 7))" conv=notrunc 2>/dev/null
said=$(weigh-diff "$scratch/tiny.gguf" "$scratch/flip.safetensors" 2>&1)
[ $? -eq 1 ] && [ "$(head -1 <<<"$said")" = "differ: 1 of 79 tensors" ] &&
    [[ $said == *"  model.layers.2.self_attn.sinks: 1 of 8 values differ, first element 3: "* ]] && [ "$(wc -l <<<"$said")" -eq 2 ]
ok "one flipped bit is found and named"
said=$(weigh-diff -q --json "$scratch/one.safetensors" "$scratch/flip.safetensors" 2>&1)
[ $? -eq 1 ] && [ "$(sed '/differences/,$d; /"[ab]":/d' <<<"$said")" = '{
  "schema": "weigh.diff/1",
  "equal": false,
  "tensors": 79,
  "equal_bits": 78,
  "equal_values": 0,' ]
ok "--json says the same"

# Missing tensors; at most 20 lines, all with -v.
printf '\2\0\0\0\0\0\0\0{}' >"$scratch/empty.safetensors"
said=$(weigh-diff $tiny "$scratch/empty.safetensors" 2>&1)
[ $? -eq 1 ] && [ "$(wc -l <<<"$said")" -eq 22 ] && [ "$(tail -1 <<<"$said")" = "  59 more: -v shows them" ]
ok "what one model lacks is listed, 20 lines of it"
said=$(weigh-diff -v $tiny "$scratch/empty.safetensors" 2>&1)
[ $? -eq 1 ] && [ "$(wc -l <<<"$said")" -eq 80 ]; ok "-v lists all"
says 0 "equal: 0 tensors, bit for bit" "$scratch/empty.safetensors" "$scratch/empty.safetensors"; ok "nothing equals nothing"

for options in "-j 1" "-j 3 --tile 4096" "--mem 1M"; do
    # shellcheck disable=SC2086
    said=$(weigh-diff $options $tiny $tiny/bf16-master 2>&1)
    [ "$(sha256sum <<<"$said")" = "${first:=$(sha256sum <<<"$said")}" ] && [ "$(head -1 <<<"$said")" = "differ: 12 of 79 tensors" ]
    ok "the report does not depend on $options"
done
said=$(weigh-diff $tiny "$scratch/none" 2>&1); [ $? -eq 5 ]; ok "what is not there is an error"
weigh-diff $tiny $tiny/bf16-master >/dev/full 2>/dev/null; [ $? -eq 5 ]; ok "a verdict that nobody could read is an error"
said=$(weigh-diff $tiny 2>&1); [ $? -eq 2 ]; ok "two models are needed"
echo "1..$n"
[ $failed -eq 0 ]
