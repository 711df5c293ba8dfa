#!/bin/bash
# logits.sh - weigh-logits: what a model computes, compared, recorded, checked and scored.
export PATH=${WEIGH_BIN:-$PWD/bin}:$PATH
n=0 failed=0

ok() {
    local rc=$?
    n=$((n + 1))
    if [ $rc -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        [ -z "$said" ] || head -8 <<<"$said" | sed 's/^/# /'
        failed=$((failed + 1))
    fi
}

# says RC TEXT ARGUMENT...: weigh-logits exits so, and what it says begins with that
says() {
    local rc=$1 text=$2
    shift 2
    said=$(weigh-logits "$@" 2>&1)
    [ $? -eq "$rc" ] && [[ $said == "$text"* ]]
}

# fails RC TEXT ARGUMENT...: exits so, says that somewhere, and prints no result
fails() {
    local rc=$1 text=$2 results
    shift 2
    results=$(weigh-logits "$@" 2>"$scratch/stderr")
    local is=$?
    said=$(cat "$scratch/stderr")
    [ $is -eq "$rc" ] && [ -z "$results" ] && [[ $said == *"$text"* ]]
}

# flip FILE AT: the lowest bit of the byte
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
tiny=tests/data/tiny-gpt-oss
weigh-convert -q $tiny -o "$scratch/tiny.gguf" && weigh-convert -q $tiny -o "$scratch/one.safetensors" || exit 1

# --- run --------------------------------------------------------------------------

# The top of golden/logits_single_f32.npy, computed by the reference code.
says 0 'prompt 0: 1 token
     273     5.36645     0.040801
     280     5.32298    0.0390654
     306      5.2724    0.0371388' run $tiny --tokens 267 --top 3; ok "the golden top tokens"
want=$said
for model in $tiny/original "$scratch/tiny.gguf" $tiny/bf16; do
    says 0 "$want" run "$model" --tokens 267 --top 3 && [ "$said" = "$want" ]; ok "the same from ${model##*/}"
done
for isa in scalar avx2 avx512 neon nonsense; do
    said=$(WEIGH_ISA=$isa weigh-logits run $tiny --tokens 267 --top 3 2>&1); [ "$said" = "$want" ]
    ok "the same with WEIGH_ISA=$isa"
done
said=$(weigh-logits run -j 1 --mem 8M $tiny --tokens 267 --top 3 2>&1); [ "$said" = "$want" ]; ok "the same with -j 1 --mem 8M"
said=$(WEIGH_ISA=scalar weigh-logits run -v $tiny --tokens 267 --top 0 2>&1 >/dev/null)
[ "$said" = "weigh-logits: kernels: scalar" ]; ok "-v says the kernels"
says 0 'prompt 0: 4 tokens  "First Citizen:"
     295     6.11187    0.0757649  " I"' run $tiny --text "First Citizen:" --top 1; ok "a text"
says 0 'prompt 0: 3 tokens  "<|start|>user"
    1008     22.4322     0.999995  "<|message|>"' run "$scratch/tiny.gguf" --text '<|start|>user' --top 1
ok "control tokens in a prompt, the tokenizer of a GGUF"
printf 'First Citizen:\r\n\n the' >"$scratch/prompts.txt"
says 0 'prompt 0: 1 token
prompt 1: 4 tokens  "First Citizen:"
prompt 2: 1 token  " the"' run $tiny --tokens 267 --text-file "$scratch/prompts.txt" --top 0; ok "the lines of a file"
says 0 'prompt 0: 4 tokens  "First Citizen:"' run $tiny/original --tokenizer $tiny --text "First Citizen:"; ok "--tokenizer"

ids=$(weigh-logits run $tiny --text-file "$scratch/prompts.txt" --json | awk '/"top"/ { exit } /^ *[0-9]+,?$/ { printf "%s", $1 }')
weigh-logits run -q $tiny --tokens "$ids" -o "$scratch/x.npy" >/dev/null && weigh-logits run $tiny --tokens "$ids" -o - >"$scratch/y.npy" &&
    cmp "$scratch/x.npy" "$scratch/y.npy" && [ "$(wc -c <"$scratch/x.npy")" -eq $((128 + 4 * 4 * 1024)) ] &&
    grep -qa "'descr': '<f4', 'fortran_order': False, 'shape': (4, 1024)" "$scratch/x.npy"; ok "-o writes all positions as .npy"
fails 2 "already exists" run $tiny --tokens 1 -o "$scratch/x.npy"; ok "an output that exists stays"
fails 2 "one prompt" run $tiny --tokens 1 --tokens 2 -o "$scratch/z.npy"; ok "-o takes one prompt"

# --- compare ----------------------------------------------------------------------

for model in $tiny/original "$scratch/tiny.gguf" $tiny/bf16; do
    says 0 "identical: 3 prompts, 6 tokens, every logit bit for bit" compare $tiny "$model" --tokens 267 --text-file "$scratch/prompts.txt"
    ok "compare with ${model##*/}"
done
says 0 "identical: 1 prompt, 1 token, every logit bit for bit
every step of every layer is identical" compare --bisect $tiny "$scratch/tiny.gguf" --tokens 267; ok "compare --bisect"
says 1 "differ: 1 prompt, 7 tokens; not exact: 7 of 7 rows differ" compare $tiny $tiny/bf16-master --tokens 663,426,926,25,198,295,359
ok "another model differs"
says 0 "within q4: " compare --tol q4 $tiny $tiny/bf16-master --tokens 663,426,926,25; ok "--tol q4"
says 1 "differ: 1 prompt, 4 tokens; not lossless: nmse " compare --tol lossless $tiny $tiny/bf16-master --tokens 663,426,926,25
ok "--tol lossless"
says 1 "differ: 1 prompt, 4 tokens; not kl=1e-9: kl " compare --tol kl=1e-9 $tiny $tiny/bf16-master --tokens 663,426,926,25
ok "--tol with a figure"
said=$(weigh-logits compare --bisect $tiny $tiny/bf16-master --tokens 267)
[ $? -eq 1 ] && [[ $said == *"first difference: layer 0, step mlp, prompt 0, token 0; "* ]]; ok "--bisect finds the first layer"
cp "$scratch/one.safetensors" "$scratch/flip.safetensors"
at=$(weigh-inspect "$scratch/one.safetensors@model.layers.2.self_attn.sinks" | awk 'NR == 2 { print $5 }')
flip "$scratch/flip.safetensors" "$at"
said=$(weigh-logits compare --bisect --config $tiny/config.json --json "$scratch/one.safetensors" "$scratch/flip.safetensors" --tokens 267)
[ $? -eq 1 ] && [ "$(awk '/"layer"/ { l = $2 } /"step"/ { s = $2 } /"differs": true/ { print l s; exit }' <<<"$said")" = '2,"heads",' ]
ok "one flipped bit of sinks is found in the attention of layer 2"
said=$(weigh-logits compare --rope llama.cpp $tiny "$scratch/tiny.gguf" --tokens 663,426 2>&1); [ $? -eq 0 ]; ok "--rope llama.cpp, both sides"

# --- record and check -------------------------------------------------------------

says 0 "weigh-logits: recorded 2 prompts in " record $tiny --text-file "$scratch/prompts.txt" -o "$scratch/golden.json"; ok "record"
weigh-logits record "$scratch/tiny.gguf" --text-file "$scratch/prompts.txt" -q | cmp - "$scratch/golden.json"; ok "the same record from a GGUF"
for model in $tiny $tiny/original "$scratch/tiny.gguf"; do
    says 0 "identical: 2 prompts, 5 tokens, every logit bit for bit" check "$model" --golden "$scratch/golden.json"; ok "check ${model##*/}"
done
said=$(weigh-logits check --config $tiny/config.json "$scratch/flip.safetensors" --golden "$scratch/golden.json" 2>&1)
[ $? -eq 1 ] && [[ $said == "differ: 2 prompts, 5 tokens; not exact: "*"
the weights are not those of the record"* ]]; ok "a flipped bit in the weights is detected"
sed '0,/log_sum_exp": "0x1.5/s//log_sum_exp": "0x1.4/' "$scratch/golden.json" >"$scratch/changed.json"
says 1 "differ: 2 prompts, 5 tokens; not exact: 1 of 5 rows differ
the weights are those of the record" check $tiny --golden "$scratch/changed.json"; ok "a changed number of a record is detected"
sed '0,/sha256": "7/s//sha256": "6/' "$scratch/golden.json" >"$scratch/changed.json"
says 1 "differ: 2 prompts, 5 tokens; not exact: logits that are recorded by their digest alone differ
the weights are those of the record" check $tiny --golden "$scratch/changed.json"; ok "a changed digest is detected"
says 0 "within kl=0.02,kl99=0.1: 2 prompts, 5 tokens
the weights are not those of the record" check --tol kl=0.02,kl99=0.1 $tiny/bf16-master --golden "$scratch/golden.json"; ok "check --tol"
head -c 300 "$scratch/golden.json" >"$scratch/cut.json"
fails 3 "cut.json:0x" check $tiny --golden "$scratch/cut.json"; ok "a record cut short"
fails 2 "--golden FILE is missing" check $tiny; ok "check without a record"

# --- perplexity -------------------------------------------------------------------

said=$(WEIGH_ISA= weigh-logits perplexity $tiny --text-file $tiny/golden/eval.txt --window 256 --windows 2 --base $tiny/bf16-master --tol q4 2>&1)
[ $? -eq 0 ] && [[ $said == "within q4: 510 scored tokens
7458 tokens: 2 windows of 256, 510 scored, 6946 left over"* ]] && grep -q '^KL divergence, mean ' <<<"$said"; ok "perplexity beside a base"
says 1 "differ: 510 scored tokens; not lossless: " perplexity $tiny --text-file $tiny/golden/eval.txt --window 256 --windows 2 \
    --base $tiny/bf16-master --tol lossless; ok "its verdict"
says 0 "4 tokens: 1 window of 4, 3 scored" perplexity $tiny --text "First Citizen:"; ok "a text shorter than the window"
fails 2 "--tol needs a --base" perplexity $tiny --text a --tol q8; ok "a tolerance needs a base"
fails 3 "nothing is scored" perplexity $tiny --tokens 1; ok "one token has no score"

# --- bad input --------------------------------------------------------------------

fails 3 "token 1 of the prompt is 1024: ids of $tiny are below 1024" run $tiny --tokens 1,1024; ok "an id out of range"
fails 2 "'x' is no token id" run $tiny --tokens 1,x; ok "no id"
fails 2 "'4294967296' is no token id" run $tiny --tokens 4294967296; ok "an id too large"
fails 2 "'' is no token id" run $tiny --tokens ""; ok "an empty list"
fails 2 "there is no prompt" run $tiny; ok "no prompt"
fails 3 "an empty text has no tokens" run $tiny --text ""; ok "an empty text"
fails 3 "8193 tokens are more than the context of $tiny, 8192" run $tiny --tokens "$(seq -s, 8193 | sed 's/[0-9]*/1/g')"; ok "a prompt longer than the context"
fails 3 "a text without --tokenizer: $tiny/original holds no tokenizer" run $tiny/original --text a; ok "a model without a tokenizer"
fails 2 "is no class and no figure" compare $tiny $tiny --tokens 1 --tol q5; ok "no such tolerance"
printf '\2\0\0\0\0\0\0\0{}' >"$scratch/empty.safetensors"
fails 4 "the model is of no family we know" run "$scratch/empty.safetensors" --tokens 1; ok "no family"
fails 5 "" run "$scratch/none" --tokens 1; ok "no model"
printf '\xc0\x7f' | dd of="$scratch/flip.safetensors" bs=1 seek="$at" conv=notrunc 2>/dev/null
fails 3 "model.layers.2.self_attn.sinks" run --config $tiny/config.json "$scratch/flip.safetensors" --tokens 1; ok "NaN in a weight, which is named"
weigh-logits run $tiny --tokens 1 >/dev/full 2>/dev/null; [ $? -eq 5 ]; ok "a result that nobody could read is an error"
echo "1..$n"
[ $failed -eq 0 ]
