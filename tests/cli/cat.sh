#!/bin/bash
# cat.sh - weigh-cat: stored bytes, NumPy arrays, text; parts of tensors; where it goes.
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

# refused RC WORDS ARGUMENT...
refused() {
    local rc=$1 words=$2 said
    shift 2
    said=$(weigh-cat "$@" 2>&1 >/dev/null)
    [ $? -eq "$rc" ] && [[ $said == *"$words"* ]]
}

# place MODEL TENSOR: file, offset and length
place() { weigh-inspect "$1@$2" | awk 'NR == 2 { gsub(",", "", $4); print $6, $5, $4 }'; }

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
tiny=tests/data/tiny-gpt-oss
gguf=$scratch/tiny.gguf
weigh-convert -q $tiny -o "$gguf" || exit 1

for tensor in model.norm.weight model.layers.3.mlp.experts.down_proj_blocks lm_head.weight; do
    read -r file offset bytes < <(place $tiny $tensor)
    weigh-cat $tiny@$tensor | cmp - <(tail -c +$((offset + 1)) "$tiny/$file" | head -c "$bytes"); ok "$tensor as it is stored"
done
read -r file offset bytes < <(place "$gguf" blk.1.ffn_up_exps.weight)
weigh-cat "$gguf@blk.1.ffn_up_exps.weight[5]" |
    cmp - <(tail -c +$((offset + 5 * bytes / 8 + 1)) "$gguf" | head -c $((bytes / 8)))
ok "one expert of eight"

weigh-cat $tiny@lm_head.weight --rows 10:12 | cmp - <(weigh-cat $tiny@lm_head.weight 2>/dev/null | tail -c +$((10 * 256 + 1)) | head -c 512)
ok "two rows"
[ "$(weigh-cat $tiny@model.norm.weight --rows :2 --as csv)" = 1.8125,1.65625 ]; ok "numbers as text"
[ "$(weigh-cat $tiny@lm_head.weight --as csv | wc -l)" -eq 1024 ] &&
    [ "$(weigh-cat $tiny@lm_head.weight --rows 3:4 --as csv | tr , '\n' | wc -l)" -eq 128 ]
ok "a line for each row"

# MXFP4 decodes to the values of the published widening, which is stored [in, out].
weigh-cat "$gguf@blk.0.ffn_down_exps.weight[2]" --as csv >"$scratch/ours" &&
    weigh-cat "$tiny/bf16@model.layers.0.mlp.experts.down_proj[2]" --as csv |
    awk -F, '{ for (c = 1; c <= NF; c++) cell[NR, c] = $c }
             END { for (c = 1; c <= NF; c++) { for (r = 1; r <= NR; r++) printf "%s%s", cell[r, c], r < NR ? "," : "\n" } }' |
    cmp - "$scratch/ours"
ok "MXFP4 is decoded"

weigh-cat "$gguf@blk.0.ffn_up_exps.weight[3]" --as npy -o "$scratch/e.npy" &&
    [ "$(head -c 10 "$scratch/e.npy" | od -An -tx1)" = " 93 4e 55 4d 50 59 01 00 76 00" ] &&
    [ "$(head -c 128 "$scratch/e.npy" | tail -c 118 | sed 's/ *$//')" = "{'descr': '<f4', 'fortran_order': False, 'shape': (128, 128), }" ] &&
    [ "$(stat -c %s "$scratch/e.npy")" -eq $((128 + 4 * 128 * 128)) ]
ok "the header of a NumPy array"
weigh-cat "$gguf@blk.0.ffn_up_exps.weight[3]" --as npy | cmp - "$scratch/e.npy"; ok "a pipe gets the same"
weigh-cat $tiny@model.layers.0.mlp.experts.down_proj_scales --as npy 2>/dev/null | head -c 80 | tr -d '\0' | grep -q "'|u1'.*(8, 128, 4), }"
ok "whole numbers stay what they are"

weigh-cat $tiny@lm_head.weight --as csv -o "$scratch/l.csv" && weigh-cat $tiny@lm_head.weight --as csv | cmp - "$scratch/l.csv"
ok "text in a file is the text of a pipe"
refused 2 exists $tiny@lm_head.weight -o "$scratch/l.csv" && weigh-cat -f $tiny@lm_head.weight -o "$scratch/l.csv" &&
    [ "$(stat -c %s "$scratch/l.csv")" -eq 262144 ]
ok "an output is replaced only with -f"
refused 2 "" -f "$gguf@output.weight" -o "$gguf" && weigh-diff -q "$gguf" $tiny >/dev/null; ok "never its own source"
refused 5 "" $tiny@lm_head.weight -o "$scratch/no/dir"; ok "no such directory"
! weigh-cat $tiny@lm_head.weight >/dev/full 2>/dev/null; ok "a full device is an error"
if command -v script >/dev/null; then
    script -qec "weigh-cat $tiny@model.norm.weight" /dev/null </dev/null | grep -q "is a terminal"; ok "no bytes to a terminal"
else
    echo "# SKIP: no script(1) to make a terminal" >&2
fi

refused 2 "did you mean model.norm.weight?" $tiny@model.norm.wieght; ok "a near name is offered"
refused 2 "which tensor" $tiny; ok "a tensor is needed"
refused 5 "no such file" "$scratch/none@x"; ok "what is not there is an error"
refused 2 "has 8 in its outermost dimension" "$gguf@blk.0.ffn_up_exps.weight[8]"; ok "there is no ninth expert"
refused 2 "no number" "$gguf@blk.0.ffn_up_exps.weight[x]"; ok "an index is a number"
for rows in 3 2:1 0:2000 x:1 -1:1 0:18446744073709551616; do
    refused 2 "" $tiny@lm_head.weight "--rows=$rows"; ok "--rows $rows is refused"
done

# '@' and brackets in names.
mkdir "$scratch/a@b" && printf ':\0\0\0\0\0\0\0{"x@y[0]":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}AB' >"$scratch/a@b/m@n"
[ "$(weigh-cat "$scratch/a@b/m@n@x@y[0]")" = AB ] && [ "$(weigh-cat "$scratch/a@b/m@n@x@y[0][1]")" = B ]
ok "names with '@' and brackets"
echo "1..$n"
[ $failed -eq 0 ]
