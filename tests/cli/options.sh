#!/bin/bash
# options.sh - every option of every tool is in its help, man page and completions, and is accepted.
#
# Walks the option table itself (--options), so that a row added to a tool is tested at once.
# BIN names the directory of the built tools.
BIN=${BIN:-bin}
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
    [ $? -eq "$rc" ] && [[ $said == *"$words"* ]]
}

# has TEXT: the document in $doc contains it, not followed by a letter, digit or '-'
has() { grep -qE -- "$1($|[^-a-z0-9])" <<<"$doc"; }

walk_row() {
    local tool=$1 name=$2 letter=$3 kind=$4 command=$5 run=("$1") dashes
    dashes=${name//-/\\\\-}
    [ "$command" = - ] || run+=("$command")

    doc=$help; has "--$name"; ok "$tool --help has --$name"
    doc=$man; has "\\\\-\\\\-$dashes"; ok "$tool --man has --$name"
    doc=$bash; has "--$name"; ok "$tool --completion bash has --$name"
    doc=$zsh; has "--$name"; ok "$tool --completion zsh has --$name"
    doc=$fish; has "-l $name"; ok "$tool --completion fish has --$name"
    case $name in
        help|version|man|completion) return ;;
    esac
    if [ "$kind" = flag ]; then
        is 0 Usage: "${run[@]}" "--$name" --help; ok "$tool accepts --$name"
    else
        is 0 Usage: "${run[@]}" "--$name" 1 --help; ok "$tool accepts --$name=..."
        is 2 needs "${run[@]}" "--$name"; ok "$tool misses the value of --$name"
        [ "$letter" = - ] || { is 2 needs "${run[@]}" "-$letter"; ok "$tool knows -$letter"; }
    fi
}

# Names and letters are unique among the options that can meet: the tool's and one command's.
unique() {
    local rows=$1 command names
    for command in - $(awk '$5 != "-" { print $5 }' <<<"$rows" | sort -u); do
        names=$(awk -v c="$command" '$5 == "-" || $5 == c { print $1; if ($2 != "-") print $2 }' <<<"$rows")
        [ -z "$(sort <<<"$names" | uniq -d)" ] || return 1
    done
}

walk_tool() {
    local tool=$1 base rows suggestion
    base=$(basename "$tool")
    rows=$("$tool" --options)
    [ -n "$rows" ]; ok "$base has an option table"
    unique "$rows"; ok "$base uses no name or letter twice"
    help=$("$tool" --help) man=$("$tool" --man)
    bash=$("$tool" --completion bash) zsh=$("$tool" --completion zsh) fish=$("$tool" --completion fish)
    while read -r name letter kind _ command; do
        walk_row "$tool" "$name" "$letter" "$kind" "$command"
    done <<<"$rows"

    is 0 "$base " "$tool" --version; ok "$base --version"
    for suggestion in versoin:version hlep:help; do
        is 2 "did you mean --${suggestion#*:}?" "$tool" "--${suggestion%:*}"
        ok "$base --${suggestion%:*} is refused with a suggestion"
    done
    is 2 "unknown option" "$tool" --no-such-option-anywhere; ok "$base refuses what it does not know"
    for request in --help --version --man "--completion=bash" --options; do
        ! "$tool" "$request" >&- 2>/dev/null; ok "$base $request with closed standard output fails"
        ! "$tool" "$request" >/dev/full 2>/dev/null; ok "$base $request to a full device fails"
    done
    bash -n <<<"$bash"; ok "$base: bash parses its completion"
    for shell in zsh fish; do
        command -v $shell >/dev/null || { echo "# SKIP: no $shell to parse the completion of $base" >&2; continue; }
        printf '%s\n' "${!shell}" >"$scratch/completion"
        $shell -n "$scratch/completion"; ok "$base: $shell parses its completion"
    done
    if command -v groff >/dev/null; then
        [ -z "$(groff -man -ww -Tutf8 2>&1 >/dev/null <<<"$man")" ]; ok "$base: the man page is clean roff"
    else
        echo "# SKIP: no groff to check the man page of $base" >&2
    fi
    for section in NAME SYNOPSIS OPTIONS '"EXIT STATUS"' '"SEE ALSO"'; do
        grep -qx ".SH $section" <<<"$man"; ok "$base: the man page has $section"
    done
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
for tool in "$BIN"/weigh "$BIN"/weigh-*; do
    [ -x "$tool" ] && walk_tool "$tool"
done
echo "1..$n"
[ $n -gt 0 ] && [ $failed -eq 0 ]
