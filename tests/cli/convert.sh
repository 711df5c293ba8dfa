#!/bin/bash
# convert.sh - weigh-convert: the released bytes, every way there and back, plans, and what it says.
model=tests/data/tiny-gpt-oss
golden=tests/data/golden/gpt-oss/tiny-a
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

convert() { weigh-convert --progress=none "$@" 2>"$work/said"; }
says() { grep -qF -- "$1" "$work/said"; }

# files DIR: the digests of the regular files directly in it
files() { (cd "$1" && find . -maxdepth 1 -type f -exec sha256sum {} + | sort -k 2); }
same_files() { diff <(files "$1") <(files "$2"); }
root_of() { weigh-verify create -q "$1" | grep '^# content-root'; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# --- the released bytes ------------------------------------------------------------------
for m in $model $golden; do
    hf=$m
    [ -d $m/hf ] && hf=$m/hf
    rm -rf "$work"/{o,h,o2}
    convert $hf -o "$work/o" --to original; ok "$m: HF to original"
    cmp "$work/o/model.safetensors" $m/original/model.safetensors; ok "$m: the released model.safetensors"
    cmp "$work/o/dtypes.json" $m/original/dtypes.json; ok "$m: the released dtypes.json"
    convert $m/original -o "$work/h" --to hf; ok "$m: original to HF"
    convert "$work/h" -o "$work/o2" --to original; ok "$m: and back to original"
    cmp "$work/o2/model.safetensors" $m/original/model.safetensors; ok "$m: the same bytes again"
done
cmp "$work/o/config.json" $golden/original/config.json; ok "the released original/config.json"
convert $model -o "$work/bf16" --to hf --type bf16; ok "HF as BF16"
weigh-diff -q "$work/bf16" $model/bf16 >"$work/said"; ok "decoded and transposed as another program did"

# --- there and back with every file -------------------------------------------------------
for form in original gguf hf; do
    rm -rf "$work"/{r,back}
    convert $model -o "$work/r" --to $form --reversible --prove; ok "--reversible --prove to $form"
    says "12 original files are restored with equal SHA-256"; ok "$form: the proof says so"
    convert "$work/r" -o "$work/back" --to hf; ok "$form: back to HF"
    same_files $model "$work/back"; ok "$form: every file has its bytes"
done
rm -rf "$work"/{r,back}
cp $golden/gguf/*.gguf "$work/in.gguf"
convert "$work/in.gguf" -o "$work/r" --to hf --reversible --prove; ok "a GGUF --reversible to HF"
convert "$work/r" -o "$work/back.gguf"; ok "back to GGUF"
cmp "$work/in.gguf" "$work/back.gguf"; ok "the same GGUF"
mkdir "$work/one"
convert $model -o "$work/one/m.safetensors"; ok "one .safetensors file"
says "files left out (--reversible keeps them): LICENSE, README.md, SHA256SUMS, chat_template.jinja, config.json"
ok "what a lone file leaves out is named"
convert "$work/one/m.safetensors" --config $model/config.json -o "$work/one.gguf" --reversible; ok "to a GGUF"
convert "$work/one.gguf" -o "$work/two.safetensors"; ok "and back to a file"
cmp "$work/one/m.safetensors" "$work/two.safetensors"; ok "the same file"

# --- what is lost, and left out, is said ---------------------------------------------------
convert $model -o "$work/m.gguf"
for key in attention_bias attention_dropout hidden_act initializer_range layer_types output_router_logits \
    quantization_config rope_scaling.truncate "router_aux_loss_coef (changed)" tie_word_embeddings \
    transformers_version use_cache "split regex text" "added-token flags" post-processor model_max_length \
    do_sample "the eos list" "the shard layout"; do
    says "$key"; ok "lost to GGUF: $key"
done
says "files left out (--reversible keeps them): LICENSE, README.md, SHA256SUMS"; ok "the files it has no place for"
says "left out: bf16/, bf16-master/, golden/, original/ (other forms; name one to convert it)"
ok "sub-directories in one line"
convert "$work/m.gguf" -o "$work/back2" --to hf
diff <(grep -v router_aux $model/config.json) <(grep -v router_aux "$work/back2/config.json"); ok "all other keys come back"
for f in tokenizer.json tokenizer_config.json special_tokens_map.json chat_template.jinja; do
    cmp $model/$f "$work/back2/$f"; ok "$f comes back"
done
convert $golden/gguf/*.gguf -o "$work/named" --to hf && says "keys of the GGUF that the output does not hold: general.name (--reversible keeps them)"
ok "keys that have no place in files"
convert $golden/original -o "$work/bare.gguf" && says "there is no tokenizer.json"; ok "no tokenizer: converted, and said"
convert $model -o "$work/f16" --to hf --type f16 && says "lost: "; ok "--type f16 says what it cost"
[ "$(grep -c lost: "$work/said")" -eq 1 ]; ok "in one line"
convert $model -o "$work/f32" --to hf --type f32 --prove && ! says "lost: "; ok "--type f32 loses nothing"
says "have the values of the source, in another type"; ok "and is proved by value"
weigh-convert -q $model -o "$work/quiet.gguf" 2>"$work/said" && [ ! -s "$work/said" ]; ok "-q says nothing"

# --- however it is cut ---------------------------------------------------------------------
for how in "-j 1" "-j 7 --tile 1" "-j 3 --tile 77777" "--mem 200K"; do
    convert $model -o "$work/cut.gguf" -f $how && cmp "$work/m.gguf" "$work/cut.gguf"; ok "$how: the same bytes"
done
weigh-convert -q $model -o - --to gguf | cmp - "$work/m.gguf"; ok "to standard output"
convert $model -o "$work/split/" --to gguf --shard-size 300K; ok "a split GGUF"
first=$(ls "$work"/split/split-00001-of-*.gguf)
[ "$(root_of "$work/split")" = "$(root_of $model)" ]; ok "its parts hold the same weights"
convert "$first" -o "$work/joined.gguf" && cmp "$work/m.gguf" "$work/joined.gguf"
ok "joined again: the same file"
convert $model -o "$work/sharded" --to hf --shard-size 300K && [ "$(root_of "$work/sharded")" = "$(root_of $model)" ]
ok "resharded: the same root"
weigh-convert -q --progress=json $model -o "$work/p.gguf" 2>&1 | tail -n 1 | grep -q '"done":2093824,"total":2093824'
ok "progress ends with all bytes"

# --- plans -----------------------------------------------------------------------------------
weigh-convert -q -n $model --to gguf >"$work/plan"; ok "a dry run"
grep -q "^total  $(stat -c %s "$work/m.gguf" | sed 's/\B...\b/,&/; s/\(.\)\(...,\)/\1,\2/') bytes" "$work/plan"
ok "foretells the size"
[ ! -e "$work/none" ] && weigh-convert -n -q $model -o "$work/none" --to hf >/dev/null && [ ! -e "$work/none" ]
ok "and writes nothing"
weigh-convert -n -q --json $model -o "$work/m.gguf" | grep -q '"schema": "weigh.plan/1"'; ok "--json"
convert $model -o "$work/planned.gguf" --plan "$work/p.json"; ok "--plan"
convert --from-plan "$work/p.json" -f && cmp "$work/m.gguf" "$work/planned.gguf"; ok "--from-plan: the same bytes"
cp -r $model "$work/changing"
chmod -R u+w "$work/changing"
convert "$work/changing" -n --to gguf --plan "$work/q.json" >/dev/null; ok "a plan alone"
convert --from-plan "$work/q.json" -o "$work/q.gguf" && cmp "$work/m.gguf" "$work/q.gguf"; ok "run later"
sed -i 's/"swiglu_limit": 7.0/"swiglu_limit": 6.0/' "$work/changing/config.json"
convert --from-plan "$work/q.json" -o "$work/q2.gguf"
[ $? -eq 1 ] && says "q.json is no longer the plan for this source: it changed since" && [ ! -e "$work/q2.gguf" ]
ok "a source that changed is refused"

# --- sources as they come --------------------------------------------------------------------
mkdir -p "$work/hub/blobs" "$work/hub/snapshots/main"
for f in $model/*; do
    [ -f "$f" ] || continue
    cp "$f" "$work/hub/blobs/$(sha256sum <"$f" | cut -c 1-64)"
    ln -s "../../blobs/$(sha256sum <"$f" | cut -c 1-64)" "$work/hub/snapshots/main/${f##*/}"
done
convert "$work/hub/snapshots/main" -o "$work/hub.gguf" && cmp "$work/m.gguf" "$work/hub.gguf"; ok "a hub cache snapshot of links"
convert "$work/hub/snapshots/main" -o "$work/hub-r.gguf" --reversible --prove; ok "carried from links"
convert "$work/hub-r.gguf" -o "$work/hub-back" --to hf && same_files $model "$work/hub-back"; ok "and restored as files"
sed -i 's/{"metadata": {"total_size": [0-9]*}, /{/' "$work/changing/model.safetensors.index.json"
cp $model/config.json "$work/changing"
chmod u+w "$work/changing/config.json"
convert "$work/changing" -o "$work/noindex.gguf" && cmp "$work/m.gguf" "$work/noindex.gguf"; ok "an index without total_size"
convert "$work/m.gguf" -o "$work/copy.gguf" && cmp "$work/m.gguf" "$work/copy.gguf"; ok "GGUF to GGUF is a copy"

# --- an architecture that nobody knows ----------------------------------------------------------
mkdir "$work/bert"
printf '\x80\0\0\0\0\0\0\0%-128s' '{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}' >"$work/bert/model.safetensors"
printf '0123456789abcdefghijklmnopqrstuv' >>"$work/bert/model.safetensors"
echo '{"model_type": "bert"}' >"$work/bert/config.json"
convert "$work/bert" -o "$work/bert.gguf" --prove && says "the architecture is not known: only the container changes"
ok "only the container changes"
convert "$work/bert.gguf" -o "$work/bert2" --to safetensors && says "1 keys are left out"; ok "and back; its key is named"
weigh-diff -q "$work/bert" "$work/bert2" >"$work/said"; ok "the same tensors"

echo "1..$n"
[ $n -gt 0 ] && [ $failed -eq 0 ]
