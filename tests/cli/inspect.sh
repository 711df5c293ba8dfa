#!/bin/bash
# inspect.sh - weigh-inspect: the summary, tables and JSON of the bundled model, and hostile names.
export PATH=${WEIGH_BIN:-$PWD/bin}:$PATH
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

# exits RC COMMAND...: it exits so; what it says is in $said
exits() {
    local rc=$1
    shift
    said=$("$@" 2>&1)
    [ $? -eq "$rc" ]
}

# safe: $said holds no control but newline, no C1, bidi or zero-width character
safe() { ! LC_ALL=C grep -qP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]' <<<"$said"; }

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
tiny=tests/data/tiny-gpt-oss
gguf=$scratch/tiny.gguf
weigh-convert -q $tiny -o "$gguf" || exit 1

exits 0 weigh-inspect $tiny && [ "$(wc -l <<<"$said")" -le 24 ]; ok "the summary fits a screen"
cat >"$scratch/want" <<END
model         $gguf
container     GGUF version 3: 79 tensors in 1 file, 2.13 MB
files         tiny.gguf
family        gpt-oss, form gguf
architecture  gpt-oss: 4 layers, hidden 128, inner 128
attention     8 heads, 2 for key and value, size 32, window 32
experts       8, 4 for each token
positions     8192, rope base 150000, stretched 32 times, first 256
parameters    2,182,336, of them MXFP4 1,572,864
active        1,389,760 for each token, without the input embedding 1,258,688
storage       bf16             18 tensors            1,179,648 bytes  56.3 %
              mxfp4            12 tensors              835,584 bytes  39.9 %
              f32              49 tensors               78,592 bytes   3.8 %
tokenizer     gpt2 gpt-4o: 1,024 tokens, 990 merges
template      678 bytes, SHA-256 f5b535f7dad8f25e..., in tokenizer.chat_template
values        all finite
findings      none
END
weigh-inspect "$gguf" | cmp - "$scratch/want"; ok "the summary of the GGUF is what it should be"

weigh-convert -q $tiny --reversible -o "$scratch/r.gguf" &&
    exits 0 weigh-inspect "$scratch/r.gguf" && [[ $said == *$'\ncarries       the original files of form hf\n'* ]]
ok "a reversible file says what it carries"
exits 0 weigh-inspect "$scratch/r.gguf" && [[ $said == *"findings      none" ]]; ok "what is carried is no finding"

exits 0 weigh-inspect -t 'output*' "$gguf" &&
    [ "$(sed -E 's/ +[0-9]+  (tiny.gguf)/ AT \1/' <<<"$said")" = 'tensor              type  shape         bytes  offset  file
output_norm.weight  f32   [128]           512 AT tiny.gguf
output.weight       bf16  [1024,128]  262,144 AT tiny.gguf' ]
ok "-t shows the rows of some tensors"
exits 0 weigh-inspect --tensors $tiny && [ "$(wc -l <<<"$said")" -eq 80 ]; ok "--tensors shows all"
exits 0 weigh-inspect $tiny -t '/blocks$/' -t '/scales$/' --exclude '*down*' && [ "$(wc -l <<<"$said")" -eq 9 ]; ok "-t /RE/ and --exclude"
exits 2 weigh-inspect $tiny -t '/(/'; ok "a broken expression is refused"
exits 0 weigh-inspect --metadata "$gguf" && grep -qx 'gpt-oss.rope.freq_base  f32  150000.0' <<<"$said" &&
    grep -qx 'general.architecture  string  "gpt-oss"' <<<"$said" &&
    grep -q '^tokenizer.ggml.tokens  array of string  \["!", .* ... 1,024\]$' <<<"$said"
ok "--metadata shows keys and values"
exits 0 weigh-inspect "$gguf@output.weight" && [ "$(wc -l <<<"$said")" -eq 2 ]; ok "PATH@TENSOR shows one row"
exits 2 weigh-inspect "$gguf@output.wieght" && [[ $said == *"did you mean output.weight?"* ]]; ok "a near name is offered"
exits 5 weigh-inspect "$scratch/none"; ok "what is not there is an error"
! weigh-inspect $tiny >/dev/full 2>/dev/null; ok "a full device is an error"

weigh-inspect --json "$gguf" >"$scratch/one" && weigh-inspect --json "$gguf" | cmp - "$scratch/one" &&
    head -2 "$scratch/one" | grep -qx '  "schema": "weigh.inspect/1",'
ok "--json gives equal bytes every time"

# One scale of 255 among MXFP4 that is stored as U8.
cp -r $tiny/original "$scratch/nan" && chmod -R u+w "$scratch/nan"
at=$(weigh-inspect "$scratch/nan@block.1.mlp.mlp2_weight.scales" | awk 'NR == 2 { print $5 }')
printf '\377' | dd of="$scratch/nan/model.safetensors" bs=1 seek="$at" conv=notrunc 2>/dev/null
exits 0 weigh-inspect "$scratch/nan" && [[ $said == *"findings      warning values: NaN or infinity in 1 of 63 tensors, first 'block.1.mlp.mlp2_weight.scales'; 1 in all" ]]
ok "a NaN scale is found"
exits 0 weigh-inspect $tiny/bf16 && [[ $said == *$'\nvalues        not scanned (--scan reads all 4.36 MB)\n'* ]] &&
    exits 0 weigh-inspect --scan $tiny/bf16 && [[ $said == *$'\nvalues        all finite\n'* ]]
ok "--scan looks at large models too"

# The family is known by its configuration, its tensors are not all there.
mkdir "$scratch/part" && cp $tiny/config.json "$scratch/part" &&
    printf 'G\0\0\0\0\0\0\0{"model.norm.weight":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}ab' >"$scratch/part/model.safetensors"
exits 0 weigh-inspect "$scratch/part" && [[ $said == *"family        not known"*"findings      warning family: "*"is missing"* ]]
ok "what does not fit the family is said, and the rest is shown"

shared=${WEIGH_SHARED:-../shared}
if [ -d "$shared/hostile" ]; then
    for file in "$shared"/hostile/safetensors/* "$shared"/hostile/gguf/*; do
        name=$(basename "$file")
        for options in "" "--tensors --metadata" --json; do
            # shellcheck disable=SC2086
            said=$(weigh-inspect $options "$file" 2>&1)
            rc=$?
            [[ $rc == [034] ]] && safe; ok "$name ${options:-summary}: exit $rc, safe for a terminal"
        done
    done
else
    echo "SKIP: no $shared/hostile" >&2
fi
echo "1..$n"
[ $failed -eq 0 ]
