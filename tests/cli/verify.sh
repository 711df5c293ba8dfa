#!/bin/bash
# verify.sh - weigh-verify create, check and release: verdicts, exit codes, what sha256sum says.
model=tests/data/tiny-gpt-oss
published=${WEIGH_SHARED:-../shared}/real-data/gpt-oss
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

# is RC WORDS COMMAND...: the command exits with RC, and what it says contains WORDS
is() {
    local rc=$1 words=$2 said
    shift 2
    said=$("$@" 2>&1 </dev/null)
    [ $? -eq "$rc" ] && [[ $said == *"$words"* ]] && return
    echo "# exit or words of $*: $said" | head -n 3
    return 1
}

# flip FILE OFFSET: complements one byte
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf %02x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

copy() {
    rm -rf "$work/m"
    mkdir "$work/m"
    cp $model/*.* $model/LICENSE "$work/m"
    chmod -R u+w "$work/m"
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# --- create ---------------------------------------------------------------------
copy
weigh-verify create -q "$work/m" -o "$work/M"; ok "create writes a manifest"
(cd "$work/m" && sha256sum -c --strict --quiet "$work/M"); ok "sha256sum -c passes"
[ "$(grep -cv '^#' "$work/M")" -eq "$(find "$work/m" -type f | wc -l)" ]; ok "every file is named"
for j in 1 2 5; do
    weigh-verify create -q -j $j --tile $((j * 333)) "$work/m" | cmp - "$work/M"; ok "create -j $j: the same bytes"
done
for name in 'a\b' $'a\nb' $'a\rb' ' ' '-' '#x'; do
    printf x >"$work/m/$name"
done
weigh-verify create -q "$work/m" >"$work/odd" && (cd "$work/m" && sha256sum -c --strict --quiet "$work/odd")
ok "odd names are escaped as sha256sum reads them"
weigh-verify check -q "$work/m" "$work/odd"; ok "and read back"
copy
weigh-verify create -q "$work/m" >"$work/m/by-shell" && weigh-verify create -q "$work/m/" -o "$work/m/by-us"
! grep -q by-us "$work/m/by-us" && ! grep -q '  by-shell$' "$work/m/by-shell" && grep -q '  config.json$' "$work/m/by-shell"
ok "a manifest in the directory leaves itself out"
rm "$work/m/by-us"
weigh-verify check -q "$work/m" "$work/m/by-shell"; ok "and check leaves it out"
rm "$work/m/by-shell"
is 2 "already exists" weigh-verify create "$work/m" -o "$work/M"; ok "create does not replace a manifest"
weigh-verify create -q -f "$work/m" -o "$work/M"; ok "with -f it does"
is 2 "input itself" weigh-verify create -f "$work/m/config.json" -o "$work/m/config.json"; ok "never its own input"
is 3 "" weigh-verify create -q "$work/m/config.json"; ok "create: what is no model is malformed"
is 5 "No such file" weigh-verify create -q "$work/absent"; ok "create: no such source"
is 0 '"schema": "weigh.verify/1"' weigh-verify create -q --json "$work/m"; ok "create --json"

# --- check ----------------------------------------------------------------------
is 0 "config.json: OK" weigh-verify check "$work/m" "$work/M"; ok "check: all is well"
is 0 "all 11 files are as recorded" weigh-verify check "$work/m" --manifest "$work/M"; ok "check --manifest"
[ -z "$(weigh-verify check -q "$work/m" "$work/M" 2>&1)" ]; ok "check -q says nothing then"
(cd "$work/m" && weigh-verify check -q . - <../M); ok "a manifest from standard input"
cp "$work/M" "$work/m/M"
weigh-verify check -q "$work/m" - <"$work/m/M"; ok "which may lie in the directory"
weigh-verify check -q "$work/m/M"; ok "a manifest alone is of its own folder"
is 0 "1 file" weigh-verify check "$work/m/tokenizer.json" "$work/M"; ok "one file of a directory"
is 0 "OK" weigh-verify check $model/SHA256SUMS; ok "a list that sha256sum made"
rm "$work/m/M"

first=model-00001-of-00002.safetensors second=model-00002-of-00002.safetensors
flip "$work/m/$second" 1048576
weigh-verify check -j 1 "$work/m" "$work/M" >"$work/1" 2>&1; [ $? -eq 1 ]; ok "a flipped byte is a mismatch"
weigh-verify check -j 4 "$work/m" "$work/M" >"$work/4" 2>&1; cmp "$work/1" "$work/4"; ok "the same report for any -j"
grep -q "^$second: differs" "$work/1" && grep -q "^  damaged: bytes 1048576 to 1293839 " "$work/1"; ok "located to the MiB"
grep -q "^    tensor model.layers.2.mlp.experts.gate_up_proj_blocks$" "$work/1"; ok "the tensor there is named"
! grep -q "tensor model.layers.0" "$work/1" && grep -q "^$first: OK" "$work/1"; ok "and no other"
is 1 "gate_up_proj_blocks: differs, holds other values" weigh-verify check --content "$work/m" "$work/M"
ok "check --content names the very tensor"
is 1 '"damage": [' weigh-verify check --json "$work/m" "$work/M"; ok "check --json has the damage"
! (cd "$work/m" && sha256sum -c --status "$work/M"); ok "sha256sum agrees"
for at in 0 7 20 5000 768983; do
    copy
    flip "$work/m/$first" $at
    is 1 "$first: differs" weigh-verify check "$work/m" "$work/M"; ok "byte $at of $first"
done
is 1 "bytes 0 to 768983" weigh-verify check "$work/m/$first" "$work/M"; ok "one damaged file of a directory"
copy
truncate -s -1 "$work/m/$first"
is 1 "has 768983 bytes, was 768984" weigh-verify check "$work/m" "$work/M"; ok "a file cut short"
copy
rm "$work/m/config.json"
is 1 "config.json: missing" weigh-verify check "$work/m" "$work/M"; ok "a missing file"
copy
touch "$work/m/stray.py"
is 1 "stray.py: extra" weigh-verify check "$work/m" "$work/M"; ok "an extra file in what we certified"
(cd "$work/m" && sha256sum -- *.json) >"$work/sums"
is 0 "stray.py: extra" weigh-verify check "$work/m" "$work/sums"; ok "an extra file beside what sha256sum listed"
rm "$work/m/stray.py"
printf '\033[31m' >"$work/m/"$'\033[31m'
is 1 '\x1b[31m: extra' weigh-verify check "$work/m" "$work/M"; ok "no control bytes reach the terminal"

printf '%s  ../../etc/passwd\n' "$(printf 'a%.0s' {1..64})" >"$work/bad"
is 3 "line 1" weigh-verify check "$work/m" "$work/bad"; ok "a name that leads out is malformed"
{ cat "$work/M"; echo "# xxh3 0 0"; } >"$work/bad"
is 3 "line $(wc -l <"$work/bad" | tr -d ' ')" weigh-verify check "$work/m" "$work/bad"; ok "the line that is malformed is named"
sed 's/^# leaf ./# leaf 0/' "$work/M" >"$work/bad"
is 3 "the content root is not that of the leaves" weigh-verify check "$work/m" "$work/bad"; ok "leaves that were tampered with"
is 3 "check SOURCE MANIFEST" weigh-verify check "$work/m/$first"; ok "weights are no manifest"
is 3 "has no content root" weigh-verify check --content "$work/m" "$work/sums"; ok "--content needs a root"
is 5 "" weigh-verify check "$work/m" "$work/absent"; ok "no such manifest"
is 5 "no such file" weigh-verify check "$work/absent" "$work/M"; ok "no such source"
sed 's/manifest 1/manifest 2/' "$work/M" >"$work/bad"
is 4 "line 1: a manifest of another version" weigh-verify check "$work/m" "$work/bad"; ok "a manifest of the future"
is 6 "" weigh-verify create --mem 10 "$work/m"; ok "too little memory"
is 2 "two manifests" weigh-verify check "$work/m" "$work/M" --manifest "$work/M"; ok "two manifests"
is 2 "" weigh-verify check; ok "check without operand"
is 2 "" weigh-verify frobnicate; ok "an unknown command"
weigh-verify create "$work/m" >/dev/full 2>/dev/null; [ $? -eq 5 ]; ok "create to a full device"

# --- gguf-hash ---------------------------------------------------------------------
# As gguf-hash prints them, of a file whose tensors we can cut out by hand.
copy
file=$work/m/$first
start=$((8 + $(od -An -tu8 -N 8 "$file")))
ends=$(grep -ao '"model.layers.0.mlp.experts.gate_up_proj_bias":{[^}]*}' "$file" | grep -o '[0-9]*,[0-9]*\]}' | tr -d ']}')
begin=${ends%,*} end=${ends#*,}
cut_out() { tail -c "+$((start + begin + 1))" "$file" | head -c $((end - begin)); }
for tool in sha1 sha256; do
    printf '%-8s  %s  some/where/%s:model.layers.0.mlp.experts.gate_up_proj_bias\n' $tool "$(cut_out | ${tool}sum | cut -d' ' -f1)" $first
    printf '%-8s  %s  %s\n' $tool "$(tail -c "+$((start + 1))" "$file" | ${tool}sum | cut -d' ' -f1)" $first
done >"$work/hash"
is 0 "all 4 digests are as recorded" weigh-verify check "$file" "$work/hash"; ok "gguf-hash lines of a file"
is 0 "$first:model.layers.0.mlp.experts.gate_up_proj_bias (sha1): OK" weigh-verify check "$work/m" "$work/hash"; ok "gguf-hash lines in a directory"
flip "$file" $((start + end - 1))
is 1 "4 digests differ" weigh-verify check "$file" "$work/hash"; ok "a flipped byte of the tensor"
printf 'sha1      %040d  %s:x\n' 0 $first >>"$work/hash"
is 1 "$first:x (sha1): missing" weigh-verify check "$file" "$work/hash"; ok "a gguf-hash line of no tensor"
echo "sha1  12  x" >>"$work/hash"
is 3 "line 6: the sha1 is not one" weigh-verify check "$file" "$work/hash"; ok "a malformed gguf-hash line"

# --- release -------------------------------------------------------------------------
is 1 "no published release that we know" weigh-verify release $model; ok "release: none that we know"
is 2 "not a directory" weigh-verify release $model/config.json; ok "release wants a directory"
if [ -d "$published/gpt-oss-20b" ]; then
    [ "$(weigh-verify release "$published/gpt-oss-20b" | head -n 1)" = "gpt-oss-20b 6cee5e8, weights missing" ]
    ok "release: the real small files"
    is 1 "config.json: OK" weigh-verify release "$published/gpt-oss-20b"; ok "exit 1, and each file is listed"
    is 1 "gpt-oss-120b b5c939d, weights missing" weigh-verify release "$published/gpt-oss-120b"; ok "release: 120b"
    is 1 "gpt-oss-20b 6cee5e8, weights missing" weigh-verify release "$published/gpt-oss-20b/original"; ok "release: original/ alone"
    is 1 '"verdict": "gpt-oss-20b 6cee5e8, weights missing"' weigh-verify release --json "$published/gpt-oss-20b"; ok "release --json"
    for file in config.json chat_template.jinja original/dtypes.json; do
        rm -rf "$work/r"
        cp -r "$published/gpt-oss-20b" "$work/r"
        chmod -R u+w "$work/r"
        flip "$work/r/$file" 17
        is 1 "gpt-oss-20b 6cee5e8, 1 file differs" weigh-verify release "$work/r" && is 1 "$file: differs" weigh-verify release -q "$work/r"
        ok "release: one changed byte in $file is named"
    done
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 4792272488\n' \
        16d0f997dcfc4462089d536bffe51b4bcea2f872f5c430be09ef8ed392312427 >"$work/r/model-00000-of-00002.safetensors"
    is 1 "model-00000-of-00002.safetensors: Git LFS pointer of the right file" weigh-verify release "$work/r"; ok "release: a pointer"
else
    echo "SKIP: no $published: the real small files of the release" >&2
fi

echo "1..$n"
[ $failed -eq 0 ]
