#!/bin/bash
# errors.sh - weigh-convert refuses: to the letter, with the right exit code, and writing nothing.
model=$PWD/tests/data/tiny-gpt-oss
n=0 failed=0

# ok NAME: the status of the command before it is the result
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

# refuses RC TEXT ARGUMENT...: exit code and standard error are exactly these; "out" is not there
refuses() {
    local rc=$1 want=$2 said
    shift 2
    said=$(weigh-convert --progress=none "$@" 2>&1 >/dev/null </dev/null)
    if [ $? -eq "$rc" ] && [ "$said" = "$want" ] && [ ! -e out ] && [ ! -e out.gguf ] &&
        [ -z "$(find . -name '*weigh-tmp*')" ]; then
        return
    fi
    printf '%s\n' "$said" | sed 's/^/# /'
    return 1
}
unchanged=$'\n  unchanged: no output was written'

# fresh: a copy of the model to spoil, in m
fresh() {
    rm -rf m
    mkdir m
    cp "$model"/*.* "$model"/LICENSE m
    chmod -R u+w m
}

work=$(mktemp -d) || exit 1
trap 'cd /; umount "$work/full" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
fresh

# --- the command line -----------------------------------------------------------------------
refuses 2 "weigh-convert: error: expected one SOURCE, got 0
  hint: weigh-convert SOURCE -o DEST$unchanged"; ok "no source"
refuses 2 "weigh-convert: error: where to? -o DEST is missing
  hint: -n shows what would be written$unchanged" m; ok "no -o"
refuses 2 "weigh-convert: error: out does not say which form is wanted
  hint: --to hf, original, gguf or safetensors; or a DEST ending in .gguf or .safetensors$unchanged" m -o out
ok "no form"
refuses 2 "weigh-convert: error: --to: 'ggml' is not one of hf, original, gguf, safetensors" m -o out --to ggml
ok "a form that is none"
refuses 2 "weigh-convert: error: --type: 'q8_0' is not one of f32, f16, bf16" m -o out.gguf --type q8_0
ok "a type that is another tool's"
refuses 2 "weigh-convert: error: --reversible and a change of type exclude each other: what is rounded cannot be restored$unchanged" \
    m -o out.gguf --reversible --type f32; ok "--reversible with --type"
refuses 2 "weigh-convert: error: --reversible needs a GGUF or a directory as output: a .safetensors file has no place for the other files$unchanged" \
    m -o out.safetensors --reversible; ok "--reversible to one .safetensors"
refuses 2 "weigh-convert: error: --shard-size makes several files, the output is one file
  hint: name a directory: -o NAME/ --to gguf$unchanged" m -o out.gguf --shard-size 1M; ok "shards in one file"
refuses 2 "weigh-convert: error: --prove needs an output under a name$unchanged" m -o - --to gguf --prove
ok "--prove of a stream"
refuses 6 "weigh-convert: error: one row of the largest tensor needs 272 bytes, --mem allows 100
  hint: give --mem at least 272$unchanged" m -o out.gguf --mem 100 -j 1; ok "too little memory"

# --- where it goes -----------------------------------------------------------------------------
weigh-convert -q m -o there.gguf
before=$(sha256sum there.gguf)
refuses 2 "weigh-convert: error: there.gguf already exists
  hint: -f replaces it once the new one is complete$unchanged" m -o there.gguf; ok "the output exists"
refuses 2 "weigh-convert: error: there.gguf is the input itself (there.gguf)
  hint: write to another name, then move it$unchanged" there.gguf -o there.gguf -f; ok "the output is the input"
ln there.gguf link.gguf
refuses 2 "weigh-convert: error: link.gguf is the input itself (there.gguf)
  hint: write to another name, then move it$unchanged" there.gguf -o link.gguf -f; ok "under another name"
refuses 2 "weigh-convert: error: m is the input itself (m)
  hint: write to another name, then move it$unchanged" m -o m --to hf -f; ok "a directory over itself"
refuses 2 "weigh-convert: error: ../${work##*/} holds the input (m)
  hint: write to another name: the whole directory would be replaced$unchanged" m -o "../${work##*/}" --to hf -f
ok "the output would replace the folder of the input"
refuses 2 "weigh-convert: error: m exists and is a directory, the output would be a file$unchanged" there.gguf -o m --to gguf -f
ok "a file over a directory"
weigh-convert -q m -o nowhere/out.gguf 2>said; [ $? -eq 5 ] && grep -q "^weigh-convert: error: cannot create nowhere/" said
ok "a folder that is not there"
[ "$(sha256sum there.gguf)" = "$before" ]; ok "what stood there is as it was"

# --- no space ---------------------------------------------------------------------------------------
mkdir full
if mount -t tmpfs -o size=300k none full 2>/dev/null; then
    refuses 5 "weigh-convert: error: full/x.gguf: no space: 2129664 bytes needed, 307200 free$unchanged" m -o full/x.gguf
    ok "no space: told before the first byte"
    [ -z "$(ls -A full)" ]; ok "and nothing is left there"
    umount full
else
    echo "# SKIP: cannot mount a small file system to fill" >&2
fi
said=$(trap '' XFSZ; ulimit -f 100; weigh-convert -q m -o out.gguf 2>&1)
[ $? -eq 5 ] && [ "$said" = "weigh-convert: error: cannot make room for out.gguf: File too large$unchanged" ] &&
    [ ! -e out.gguf ] && [ -z "$(find . -name '*weigh-tmp*')" ]
ok "a file that may not grow"
weigh-convert -q m -o - --to gguf >/dev/full 2>said; [ $? -eq 5 ] && grep -q "No space left on device" said
ok "a full device"

# --- what is given ------------------------------------------------------------------------------------
refuses 5 "weigh-convert: error: absent: no such file or directory$unchanged" absent -o out.gguf; ok "no such source"
mkdir -p empty wrong/hf
refuses 3 "weigh-convert: error: empty holds no weights: no .safetensors and no .gguf file
  hint: give the folder that holds config.json and the .safetensors files$unchanged" empty -o out.gguf; ok "an empty directory"
refuses 3 "weigh-convert: error: wrong holds no weights: no .safetensors and no .gguf file
  hint: is it one of its folders, such as wrong/hf?$unchanged" wrong -o out.gguf; ok "the folder above"
refuses 3 "weigh-convert: error: m/config.json:0x0: neither safetensors nor GGUF$unchanged" m/config.json -o out.gguf
ok "not the weights"
first=model-00001-of-00002.safetensors
rm m/$first
refuses 3 "weigh-convert: error: m/$first is missing: the index names it
  hint: the download is not complete; fetch the missing shard$unchanged" m -o out.gguf; ok "a missing shard"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 768984\n' 0 >m/$first
refuses 3 "weigh-convert: error: m/$first is a Git LFS pointer: the weights themselves were not fetched
  hint: git lfs pull, or download the file from the model's page$unchanged" m -o out.gguf; ok "a Git LFS pointer"
fresh
truncate -s 700000 m/$first
weigh-convert m -o out.gguf 2>said; [ $? -eq 3 ] && [ ! -e out.gguf ] &&
    grep -q "fetch it again" said; ok "a shard cut short"
fresh
cp m/$first m/extra.safetensors
said=$(weigh-convert m -o left.gguf 2>&1) && [[ $said == *"m/extra.safetensors is left out: the index does not name it"* ]]
ok "a shard that the index does not name"
rm m/model.safetensors.index.json
weigh-convert m -o out.gguf 2>said; [ $? -eq 3 ] && grep -q "is there twice" said && [ ! -e out.gguf ]; ok "which without an index is twice there"

# --- what is in it ----------------------------------------------------------------------------------------
fresh
sed -i 's/"hidden_size": 128/"hidden_size": 64/' m/config.json
refuses 3 "weigh-convert: error: m/model-00002-of-00002.safetensors: tensor 'model.embed_tokens.weight' has shape [1024,128]: hidden_size should be 64
  hint: the configuration and the weights do not belong together$unchanged" m -o out.gguf; ok "a tensor of the wrong shape"
fresh
sed -i 's/model.layers.1.self_attn.sinks/model.layers.1.self_attn.sanks/' m/*.safetensors m/*.index.json
refuses 3 "weigh-convert: error: m: tensor 'model.layers.1.self_attn.sinks' is missing
  hint: weigh verify release DIR tells which files differ from the published ones$unchanged" m -o out.gguf
ok "a missing tensor"
fresh
sed -i 's/"num_hidden_layers": 4/"num_hidden_layers": 5/' m/config.json
refuses 3 "weigh-convert: error: m: tensor 'model.layers.4.input_layernorm.weight' is missing
  hint: weigh verify release DIR tells which files differ from the published ones$unchanged" m -o out.gguf
ok "a missing layer"
fresh
sed -i 's/"sliding_window": 32,//' m/config.json
refuses 3 "weigh-convert: error: m/config.json: has no sliding_window
  hint: --config FILE names the config.json of the model$unchanged" m -o out.gguf; ok "a value that GGUF needs"
rm m/config.json
refuses 3 "weigh-convert: error: nothing says experts_per_token: there is no config.json
  hint: --config FILE names the config.json of the model$unchanged" m -o out.gguf; ok "no config.json"
weigh-convert -q m --config "$model/config.json" -o configured.gguf && cmp configured.gguf there.gguf; ok "--config gives it"
fresh
sed -i 's/"gpt_oss"/"bert"/' m/config.json
refuses 4 "weigh-convert: error: m: the architecture is not known, so --to original has no meaning for it$unchanged" \
    m -o out --to original; ok "an unknown architecture in a known form"
fresh
sed -i 's/\[\^\\\\r\\\\n\\\\p{L}\\\\p{N}\]/[^x]/g' m/tokenizer.json
weigh-convert m -o out.gguf 2>said; [ $? -eq 4 ] && grep -q "tokenizer.json" said && [ ! -e out.gguf ]
ok "a tokenizer that llama.cpp would read otherwise"

# --- plans ----------------------------------------------------------------------------------------------------
fresh
echo '{"schema": "weigh.plan/1"}' >p.json
refuses 3 "weigh-convert: error: p.json is not a plan that --plan wrote$unchanged" --from-plan p.json; ok "no plan"
weigh-convert -q m -n --to gguf --plan q.json >/dev/null
weigh-convert -q m -n --to gguf --plan q.json 2>said >/dev/null
[ $? -eq 2 ] && grep -q "q.json already exists" said; ok "a plan is not overwritten"
sed -i 's/"bf16"/"f16"/' q.json
refuses 1 "weigh-convert: q.json is no longer the plan for this source: it changed since
  hint: make a new plan with --plan$unchanged" --from-plan q.json -o out.gguf; ok "a plan that was edited"

echo "1..$n"
[ $n -gt 0 ] && [ $failed -eq 0 ]
