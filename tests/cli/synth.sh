#!/bin/bash
# synth.sh - synthetic checkpoints: the released sizes and digests, content that does not depend on
# how it was written, and ways there and back.
BIN=${WEIGH_BIN:-bin}
PATH=$BIN:$PATH
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

# is RC WORDS COMMAND...: the command exits with RC, and what it says contains WORDS
is() {
    local rc=$1 words=$2 said
    shift 2
    said=$("$@" 2>&1 </dev/null)
    [ $? -eq "$rc" ] && [[ $said == *"$words"* ]]
}

size() { [ "$(stat -c %s "$1")" = "$2" ]; }
digest() { [ "$(sha256sum <"$1")" = "$2  -" ]; }
# KiB that a directory really takes
takes_at_most() { [ "$(du -sk "$1" | cut -f1)" -le "$2" ]; }

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

# --- the real shapes ---------------------------------------------------------------

shards="4792272488 4798702184 4170342232"

weigh-synth gpt-oss-20b --form original --sparse -q -o o20
ok "gpt-oss-20b as original"
size o20/model.safetensors 13761300984; ok "original: the released size"
digest o20/config.json 317522155fc243327ee341857d0c752d0094a0817e0e9aee2890d5ad8e009e04
ok "original: the released config.json"
digest o20/dtypes.json 566c9e6aded8957f41f1589cabaf73e39f2d1fcda3351d63efdfb7e9e78d376b
ok "original: the released dtypes.json"
takes_at_most o20 1024; ok "original: holes take no space"

plan=$(weigh-convert -n --to hf -o converted/ o20 2>/dev/null)
i=0
for bytes in $shards; do
    file=model-0000$i-of-00002.safetensors
    grouped=$(printf "%s" "$bytes" | rev | sed 's/.../&,/g; s/,$//' | rev)
    [[ $plan == *"file $file  $grouped bytes"* ]]; ok "original to hf: $file has the released size"
    i=$((i + 1))
done

weigh-synth gpt-oss-20b --sparse -q -o h20; ok "gpt-oss-20b as hf"
i=0
for bytes in $shards; do
    size h20/model-0000$i-of-00002.safetensors "$bytes"; ok "hf: shard $i has the released size"
    i=$((i + 1))
done
digest h20/model.safetensors.index.json 0e085b977c4c9942f85938828e8c989ed7d5cdabf852e4da6a67c116cd502cd1
ok "hf: the released index.json"
digest h20/config.json 3a2a26ded679375b7928ddeca59764df7cea83220c1961035f6d6e232659e9ce
ok "hf: the released config.json"
digest h20/generation_config.json f9970ada892d2d1f72e3ed0a6535ccebadd11897318794ca671d8c7014c957da
ok "hf: the released generation_config.json"
digest h20/tokenizer_config.json 9279e942392b742d633c7adbb89ebe002c98399db8926a7af5125c726f404070
ok "hf: the released tokenizer_config.json"
takes_at_most h20 40960; ok "hf: the tokenizer takes space, the weights do not"

weigh-synth gpt-oss-120b --sparse -q -o h120; ok "gpt-oss-120b as hf"
digest h120/config.json 933aeb666a3fd851133ddd7686414f369bc564c4185fb5704416550879f10566
ok "120b: the released config.json"
is 0 "total  65,368,970,720 bytes (65.4 GB) in 687 tensors" weigh-convert -n --to gguf h120
ok "120b: the exact size of its GGUF"
[ "$(weigh-synth gpt-oss-120b -n | tail -1 | tr -s ' ')" = \
    " 65276788125 bytes, of which 65248815744 in 687 tensors" ]
ok "120b: -n counts tensors and bytes"

# --- content ---------------------------------------------------------------------------

small="--layers 2 --hidden 64 --intermediate 96"
# shellcheck disable=SC2086
make_small() { weigh-synth gpt-oss-20b $small -q "$@"; }

make_small -j 1 -o one; ok "a small model"
make_small -j 3 -o three && diff -r one three; ok "threads do not change a byte"
make_small --seed 1 -o three -f && diff -r one three; ok "the seed is 1 unless said, -f replaces"
make_small --seed 2 -o two && ! cmp -s one/model.safetensors two/model.safetensors
ok "another seed gives other weights"
rm one/model.safetensors two/model.safetensors && diff -r one two; ok "and nothing else"
total=$(find three -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')
[ "$(make_small -n | awk 'END { print $1 }')" = "$total" ]; ok "-n says what is written"

make_small --form original -o original && weigh-convert -q original --to hf -o converted &&
    cmp three/model.safetensors converted/model.safetensors
ok "original converted is what hf would have been"
weigh-convert -q three -o small.gguf --prove; ok "to GGUF, proved"
weigh-convert -q small.gguf --to hf -o back && cmp three/model.safetensors back/model.safetensors &&
    cmp three/config.json back/config.json && cmp three/tokenizer.json back/tokenizer.json
ok "and back: weights, config.json and tokenizer.json are the same"
[[ $(weigh-convert -n --to gguf three 2>/dev/null | tail -1) == "total  $(stat -c %s small.gguf |
    rev | sed 's/.../&,/g; s/,$//' | rev) bytes"* ]]
ok "a dry run says the size of the GGUF"

# --- refusals ------------------------------------------------------------------------------

is 2 "did you mean gpt-oss-20b?" weigh-synth gpt-oss-20 -o x; ok "an unknown model, with a suggestion"
is 2 "gpt-oss-20b or gpt-oss-120b" weigh-synth something-else -o x; ok "an unknown model, with the list"
is 2 "-o DIR is missing" weigh-synth gpt-oss-20b; ok "no -o"
is 2 "multiple of 32" weigh-synth gpt-oss-20b --hidden 100 -o x; ok "--hidden 100"
is 2 "multiple of 32" weigh-synth gpt-oss-20b --intermediate 31 -o x; ok "--intermediate 31"
is 2 "1 to 4096" weigh-synth gpt-oss-20b --layers 5000 -o x; ok "--layers 5000"
is 2 "three" make_small -o three; ok "an output that exists"
is 2 "" make_small -o -; ok "standard output"
[ ! -e x ]; ok "and nothing was written"

echo "1..$n"
[ $failed -eq 0 ]
