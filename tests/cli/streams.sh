#!/bin/bash
# streams.sh - a result that could not be written is never a success; streams that are closed never
# end up in an output.
PATH=${WEIGH_BIN:-$PWD/bin}:$PATH
data=$PWD/tests/data/tiny-gpt-oss
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

# fails COMMAND: it ends with 5, and says that it is about standard output
fails() {
    said=$(eval "$1" 2>&1)
    [ $? -eq 5 ] && [[ $said == *"standard output"* ]]
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
weigh-convert "$data" -q -o model.gguf; ok "a GGUF"
weigh-verify create model.gguf -q -o manifest; ok "its manifest"
cp model.gguf damaged.gguf
printf '\1' | dd of=damaged.gguf bs=1 seek=2000000 conv=notrunc 2>/dev/null; ok "a damaged GGUF"

# Everything that prints a result.
cat >commands <<COMMANDS
weigh-convert -n --to gguf $data
weigh-convert -n --json --to hf model.gguf
weigh-convert -q -o - --to gguf $data
weigh-convert -q -o - --to gguf -j 3 $data
weigh-convert -q -o - --to safetensors model.gguf
weigh-synth -n gpt-oss-20b
weigh-inspect model.gguf
weigh-inspect --json model.gguf
weigh-cat model.gguf@blk.0.attn_q.weight
weigh-verify create -q -o - $data
weigh-verify check model.gguf manifest
weigh-verify check --json damaged.gguf manifest
weigh-diff model.gguf model.gguf
weigh-diff --json damaged.gguf model.gguf
weigh inspect model.gguf
weigh --help
weigh convert --help
COMMANDS

while read -r command; do
    eval "$command" >good 2>err </dev/null
    rc=$?
    { [ $rc -eq 0 ] || [ $rc -eq 1 ]; } && [ -s good ]; ok "$command: prints something ($rc)"
    fails "$command >&-"; ok "$command: standard output is closed"
    fails "$command >/dev/full"; ok "$command: standard output is full"
    fails "{ sleep 0.1; $command; } > >(:)"; ok "$command: the reader left"
    eval "$command" >&- 2>&- <&-
    [ $? -eq 5 ]; ok "$command: all three are closed"
    eval "$command" >again 2>&- <&-
    [ $? -eq $rc ] && cmp -s good again; ok "$command: the others are closed"
done <commands

# Outputs that are files: the descriptors 0 to 2 are free, and nobody writes into them by mistake.
for closed in '>&-' '2>&-' '<&-' '>&- 2>&-' '<&- >&- 2>&-'; do
    rm -rf made.gguf made
    eval "weigh-convert --progress=bar $data -o made.gguf $closed" 2>/dev/null
    [ $? -eq 0 ] && cmp -s made.gguf model.gguf; ok "weigh-convert to a file with $closed"
    eval "weigh-convert --progress=json model.gguf --to hf -o made $closed" 2>/dev/null
    [ $? -eq 0 ] && weigh-diff -q model.gguf made >/dev/null; ok "weigh-convert to a directory with $closed"
    eval "weigh-verify create -f -q model.gguf -o made.manifest $closed"
    [ $? -eq 0 ] && cmp -s made.manifest manifest; ok "weigh-verify create with $closed"
done

echo "1..$n"
[ $n -gt 0 ] && [ $failed -eq 0 ]
