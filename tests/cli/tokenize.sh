#!/bin/bash
# tokenize.sh - weigh-tokenize: ids, pieces and JSON, text back from ids, two tokenizers compared.
tiny=tests/data/tiny-gpt-oss
tool=weigh-tokenize
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

# gives WANT ARG...: prints exactly that (and a line end) and exits with 0
gives() {
    local want=$1 said
    shift
    said=$($tool "$@" 2>&1 </dev/null) && [ "$said" = "$want" ]
}

# fails RC WORDS ARG...: exits with RC and says WORDS on standard error, nothing on standard output
fails() {
    local rc=$1 words=$2 said got
    shift 2
    said=$($tool "$@" 2>&1 >"$TMPDIR/out" </dev/null)
    got=$?
    [ $got -eq "$rc" ] && [[ $said == *"$words"* ]] && [ ! -s "$TMPDIR/out" ]
}

gives "39 416 78 871" $tiny "Hello world"; ok "ids of a text"
gives "39 416 78 871" $tiny/tokenizer.json "Hello world"; ok "from tokenizer.json"
gives "" $tiny ""; ok "an empty text has no ids"
[ "$(weigh tokenize $tiny "Hello world")" = "39 416 78 871" ]; ok "weigh tokenize"
gives "39 416 78 1007" $tiny "Hello<|end|>"; ok "a special token is one"
gives "39 416 78 27 91 474 91 29" --no-special $tiny "Hello<|end|>"; ok "--no-special: it is plain text"
gives $'220\t \n160\t\\xe4\n116\t\\xb8\n255\t\\xad\n198\t\\x0a' $tiny --pieces $' \xe4\xb8\xad\n'
ok "--pieces escapes what a terminal must not see"

printf 'Hello world' >"$TMPDIR/text"
gives "39 416 78 871" $tiny --file "$TMPDIR/text"; ok "--file"
[ "$($tool $tiny --file - <"$TMPDIR/text")" = "39 416 78 871" ]; ok "--file - is standard input"
gives "Hello world" $tiny --decode 39,416,78,871; ok "--decode"
gives "Hello world" $tiny -d "39 416, 78
871"; ok "--decode with any gaps"
gives "Hello<|end|>" $tiny --decode 39,416,78,1007; ok "--decode of a special token"
gives $'39\tH\n416\tell' $tiny --decode 39,416 --pieces; ok "--decode --pieces"
[ -z "$($tool $tiny --decode '')" ]; ok "--decode of nothing"

# Any bytes, through both directions and files.
head -c 20000 "$WEIGH_BIN/weigh" >"$TMPDIR/bytes"
$tool $tiny --file "$TMPDIR/bytes" >"$TMPDIR/ids" && $tool $tiny --decode - <"$TMPDIR/ids" | cmp - "$TMPDIR/bytes"
ok "a program's bytes come back unchanged"

want='{
  "schema": "weigh.tokenize/1",
  "tokens": [
    {
      "id": 39,
      "text": "H",
      "hex": "48"
    },
    {
      "id": 127,
      "text": "'$'\xef\xbf\xbd''",
      "hex": "c3"
    }
  ]
}'
gives "$want" $tiny --json $'H\xc3'; ok "--json"
gives "$want" $tiny --json --decode 39,127; ok "--json --decode"

weigh-convert -q $tiny -o "$TMPDIR/tiny.gguf" && gives "39 416 78 1007" "$TMPDIR/tiny.gguf" "Hello<|end|>"
ok "from the keys of a GGUF"
gives "equal: 1,019 tokens, merges and the split pattern" $tiny --compare "$TMPDIR/tiny.gguf"
ok "--compare: a converted tokenizer has the same tables"
gives "equal: 4 ids" $tiny --compare "$TMPDIR/tiny.gguf" "Hello world"; ok "--compare with a text"

# Another tokenizer: two tokens have changed places.
sed -e 's/"ell": 416/"ell": 871/; s/"\(.*world\)": 871/"\1": 416/' $tiny/tokenizer.json >"$TMPDIR/other.json"
said=$($tool $tiny --compare "$TMPDIR/other.json" 2>"$TMPDIR/err")
[ $? -eq 1 ] && [ "$said" = "differs: token 416 is 'ell' and ' world'" ] && [ ! -s "$TMPDIR/err" ]
ok "--compare: other tables"
said=$($tool $tiny --compare "$TMPDIR/other.json" "Hello world" 2>"$TMPDIR/err")
[ $? -eq 1 ] && [ "$said" = "differs: token 1, at byte 1 of the text, is 416 'ell' and 871 'ell'" ] && [ ! -s "$TMPDIR/err" ]
ok "--compare with a text: the first difference"
gives "equal: 2 ids" $tiny --compare "$TMPDIR/other.json" "Ho"; ok "--compare with a text that both see alike"
said=$($tool $tiny --compare "$TMPDIR/other.json" --json "Hello world")
[ $? -eq 1 ] && [[ $said == *'"equal": false'*"416 'ell' and 871 'ell'"* ]]; ok "--compare --json"

fails 2 "no text" $tiny; ok "no text is wrong usage"
fails 2 "both a TEXT and --file" $tiny --file x y; ok "two texts are wrong usage"
fails 2 "takes ids, and no text" $tiny --decode 1 text; ok "--decode with a text is wrong usage"
fails 2 "no pieces" $tiny --compare $tiny --pieces; ok "--compare --pieces is wrong usage"
for ids in x 1x -1 1.5 4294967296 99999999999999999999; do
    fails 2 "'$ids' is no token id" $tiny --decode "7,$ids"; ok "--decode $ids is wrong usage"
done
fails 3 "id 1019 is no token: the last one is 1018" $tiny --decode 39,1019; ok "an unused row is no token"
fails 3 "id 1019 is no token" $tiny --decode 39,1019 --json; ok "nor in JSON"
fails 3 "holds no tokenizer" $tiny/original x; ok "a model without a tokenizer"
fails 5 "nobody" "$TMPDIR/nobody" x; ok "a file that is not there"
fails 5 "nobody" $tiny --file "$TMPDIR/nobody"; ok "a text that is not there"
! $tool $tiny "Hello" >/dev/full 2>/dev/null; ok "a full device is an error"

echo "1..$n"
[ $failed -eq 0 ]
