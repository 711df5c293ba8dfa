#!/bin/bash
# weigh.sh - the dispatcher lists the tools beside it, runs them, and refuses the rest.
BIN=${BIN:-bin}
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

# The one-line summary of a tool, as its man page has it.
summary() { "$1" --man | awk '/^\.SH NAME/ { getline; sub(/^[^ ]* \\- /, ""); gsub(/\\-/, "-"); gsub(/\\\(aq/, "\047"); print; exit }'; }

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
weigh=$BIN/weigh
list=$("$weigh" --help | tr '\n' ' ' | tr -s ' ')

for tool in "$BIN"/weigh-*; do
    [ -x "$tool" ] || continue
    verb=$(basename "$tool")
    verb=${verb#weigh-}
    [[ $list == *" $verb $(summary "$tool") "* ]]; ok "weigh --help lists $verb with its summary"
    [ "$("$weigh" "$verb" --version)" = "$("$tool" --version)" ]; ok "weigh $verb runs weigh-$verb"
    [ "$("$weigh" help "$verb")" = "$("$tool" --help)" ]; ok "weigh help $verb is weigh-$verb --help"
done

[ -n "$list" ] && [ "$("$weigh")" = "$("$weigh" --help)" ] && [ "$("$weigh" help)" = "$("$weigh" --help)" ]
ok "weigh alone and weigh help print the list"

# A directory of our own: one tool that tells its arguments, one that is not known by name.
cp "$weigh" "$scratch/weigh"
printf '#!/bin/sh\nprintf "[%%s]" "$0" "$@"\nexit 3\n' >"$scratch/weigh-convert"
cp "$scratch/weigh-convert" "$scratch/weigh-other"
chmod +x "$scratch"/weigh-*
said=$("$scratch/weigh" convert -o 'a b' -- --help)
[ $? -eq 3 ] && [ "$said" = "[$scratch/weigh-convert][-o][a b][--][--help]" ]
ok "arguments and the exit code pass unchanged"
mkdir "$scratch/links" && ln -s ../weigh "$scratch/links/weigh"
[ "$("$scratch/links/weigh" other x)" = "[$scratch/weigh-other][x]" ]; ok "a link to weigh finds the tools beside the real one"
"$scratch/weigh" --help | grep -q '^  convert ' && ! "$scratch/weigh" --help | grep -q '^  verify '
ok "only tools that are there are listed"

said=$("$scratch/weigh" convrt 2>&1)
[ $? -eq 2 ] && [ "$said" = "weigh: error: unknown command 'convrt'
  hint: did you mean convert?" ]
ok "a mistyped command is refused with a suggestion"
for word in nothing ../weigh-convert --nothing -; do
    "$scratch/weigh" $word >/dev/null 2>&1
    [ $? -eq 2 ]; ok "weigh $word is wrong usage"
done
printf 'no program' >"$scratch/weigh-audit"
chmod -x "$scratch/weigh-audit"
"$scratch/weigh" audit >/dev/null 2>&1
[ $? -eq 5 ]; ok "a tool that cannot be run is an error of the system"

echo "1..$n"
[ $failed -eq 0 ]
