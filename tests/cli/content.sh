#!/bin/bash
# content.sh - one content root for the same weights in every container; --manifest of weigh-convert.
model=tests/data/tiny-gpt-oss
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
    [ $? -eq "$rc" ] && [[ $said == *"$words"* ]] && return
    echo "# exit or words of $*: $said" | head -n 3
    return 1
}

# leaves SOURCE: the root and all leaves
leaves() { weigh-verify create -q "$1" | grep -E '^# (content-root|leaf) '; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# --- the preimage, by hand --------------------------------------------------------
weigh-verify create -q $model >"$work/M"; ok "create"
root=$(sed -n 's/^# content-root //p' "$work/M")
by_hand=$({ echo weighmaster-content-1; sed -n 's/^# leaf //p' "$work/M"; } | sha256sum)
[ "${by_hand%% *}" = "$root" ]; ok "the root is the SHA-256 of the lines of the leaves"
sed -n 's/^# leaf [^"]*//p' "$work/M" >"$work/names"
[ -s "$work/names" ] && LC_ALL=C sort -cu "$work/names"; ok "the leaves are in bytewise order"

# A tensor cut out of a file by its offsets is its leaf: nothing is decoded or padded.
cut_out() {
    local file=$1 name=$2 start ends
    start=$((8 + $(od -An -tu8 -N 8 "$file")))
    ends=$(grep -ao "\"$name\":{[^}]*}" "$file" | grep -o '[0-9]*,[0-9]*\]}' | tr -d ']}')
    tail -c "+$((start + ${ends%,*} + 1))" "$file" | head -c $((${ends#*,} - ${ends%,*}))
}
for name in lm_head.weight model.layers.0.mlp.experts.gate_up_proj_blocks model.layers.3.self_attn.sinks; do
    file=$(grep -l "\"$name\"" $model/model-*.safetensors)
    leaf=$(cut_out "$file" "$name" | sha256sum)
    grep -q "^# leaf ${leaf%% *}  [A-Z0-9]* [0-9x]* \"$name\"\$" "$work/M"; ok "tail | head | sha256sum finds the leaf of $name"
done

# --- every container -----------------------------------------------------------------
leaves $model >"$work/leaves"
[ "$(wc -l <"$work/leaves")" -eq 80 ]; ok "79 leaves and a root"
same() { leaves "$2" | cmp - "$work/leaves"; ok "$1: the same root and leaves"; }
weigh-convert -q $model -o "$work/model.gguf"
same GGUF "$work/model.gguf"
weigh-convert -q $model --to gguf --shard-size 500K -o "$work/split/"
shards=("$work"/split/*.gguf)
[ ${#shards[@]} -gt 1 ]; ok "(a split GGUF)"
same "split GGUF" "$work/split"
same "original, as published" $model/original
weigh-convert -q $model --to original -o "$work/original"
same original "$work/original"
weigh-convert -q $model --to hf --shard-size 300K -o "$work/resharded"
shards=("$work"/resharded/*.safetensors)
[ ${#shards[@]} -gt 2 ]; ok "(more shards)"
same "resharded HF" "$work/resharded"
weigh-convert -q "$work/model.gguf" --to original -o "$work/far" && weigh-convert -q "$work/far" --to hf -o "$work/back"
same "HF, through GGUF and original" "$work/back"
for source in model.gguf split original resharded; do
    is 0 "all 79 tensors are as recorded" weigh-verify check --content "$work/$source" "$work/M"; ok "check --content of $source"
done
leaves $model/bf16 >"$work/wide" && ! grep -q "${root:-.}" "$work/wide"; ok "the BF16 widening has another root"
is 1 "down_proj_blocks: missing" weigh-verify check --content $model/bf16 "$work/M"; ok "and check --content says so"

# --- every bit ---------------------------------------------------------------------------
# A bit in each of a hundred places, spread over all tensors of the file.
cp -r $model "$work/flip"
chmod -R u+w "$work/flip"
file=$work/flip/model-00001-of-00002.safetensors
start=$((8 + $(od -An -tu8 -N 8 "$file"))) size=$(stat -c %s "$file")
missed=0
for ((i = 0; i < 100; i++)); do
    at=$((start + (size - start - 1) * i / 99))
    was=$(od -An -tu1 -j $at -N 1 "$file")
    printf '%b' "\\x$(printf %02x $((was ^ (1 << i % 8))))" | dd of="$file" bs=1 seek=$at conv=notrunc status=none
    weigh-verify check -q --content "$work/flip" "$work/M" >/dev/null 2>&1
    [ $? -eq 1 ] || missed=$((missed + 1))
    printf '%b' "\\x$(printf %02x "$was")" | dd of="$file" bs=1 seek=$at conv=notrunc status=none
done
[ $missed -eq 0 ]; ok "100 flipped bits, each changes the root"
weigh-verify check -q --content "$work/flip" "$work/M"; ok "flipped back, it is the root again"

# --- weigh-convert --manifest --------------------------------------------------------------
# rm first: the manifest must be the same as the one create makes of what was written.
certified() {
    local what=$1 out=$2
    shift 2
    weigh-convert -q "$@" -o "$out" --manifest "$work/by-convert" -f && weigh-verify create -q "$out" | cmp - "$work/by-convert"
    ok "--manifest, $what: what create would write"
    [ -d "$out" ] && dir=$out || dir=$(dirname "$out")
    (cd "$dir" && sha256sum -c --strict --quiet "$work/by-convert"); ok "--manifest, $what: sha256sum -c"
    weigh-verify check -q "$out" "$work/by-convert"; ok "--manifest, $what: check"
}
certified GGUF "$work/a.gguf" $model
certified "reversible GGUF" "$work/b.gguf" $model --reversible --prove
certified "directory" "$work/c" $model --to hf --shard-size 700K
certified "original" "$work/d" "$work/a.gguf" --to original
certified "reversible original" "$work/e" $model --to original --reversible
certified "restored from GGUF" "$work/f" "$work/b.gguf" --to hf
certified "one safetensors file" "$work/g.safetensors" $model
for j in 1 3; do
    weigh-convert -q -f -j $j --tile $((j * 5))K $model -o "$work/a.gguf" --manifest "$work/j$j"
done
cmp "$work/j1" "$work/j3"; ok "--manifest: the same bytes for any -j and --tile"
weigh-convert -q $model --to original -o "$work/h" --manifest "$work/h/MANIFEST" && weigh-verify check -q "$work/h" "$work/h/MANIFEST"
ok "--manifest in the output directory"
is 2 "needs an output under a name" weigh-convert $model --to gguf -n --manifest "$work/x"; ok "--manifest with -n"
is 2 "needs an output under a name" weigh-convert $model --to gguf -o - --manifest "$work/x"; ok "--manifest of standard output"
is 2 "are both" weigh-convert $model -o "$work/y.gguf" --manifest "$work/y.gguf"; ok "--manifest over the output"
is 2 "already exists" weigh-convert $model -o "$work/y.gguf" --manifest "$work/j1"; ok "--manifest does not replace a file"
[ -s "$work/j1" ] && [ ! -e "$work/y.gguf" ] && [ ! -e "$work/x" ]; ok "and nothing was written"

echo "1..$n"
[ $failed -eq 0 ]
