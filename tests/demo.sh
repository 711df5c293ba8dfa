#!/usr/bin/env bash
# demo.sh - converts the bundled model to every form and back, and compares what came back.
#
# usage: tests/demo.sh BIN WORK     (called by `make demo`)
set -euo pipefail

PATH=$PWD/$1:$PATH
work=$2
source=tests/data/tiny-gpt-oss
published="config.json generation_config.json model-00001-of-00002.safetensors
    model-00002-of-00002.safetensors model.safetensors.index.json
    tokenizer.json tokenizer_config.json special_tokens_map.json chat_template.jinja"

# Shows a command as one would type it, then runs it.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

rm -rf "$work"
mkdir -p "$work"

echo "# Look at a released checkpoint."
run weigh-inspect $source

printf '\n# Hugging Face directory to GGUF and back: the weights are the same bits.\n'
run weigh-convert $source -o "$work/model.gguf"
run weigh-convert "$work/model.gguf" --to hf -o "$work/weights"
run weigh-diff $source "$work/weights"

printf '\n# Reversible: every file comes back byte for byte, and --prove checks that before it says so.\n'
run weigh-convert $source --reversible --prove -o "$work/reversible.gguf"
run weigh-convert "$work/reversible.gguf" --to hf -o "$work/from-gguf"

printf '\n# The same through the publisher'\''s original/ form.\n'
run weigh-convert $source --to original --reversible -o "$work/original"
run weigh-convert "$work/original" --to hf -o "$work/from-original"

printf '\n# Do not take our word for it: coreutils and diffutils over the source and both restored copies.\n'
for file in $published; do
    run sha256sum "$source/$file" "$work/from-gguf/$file" "$work/from-original/$file"
done
for file in $published; do
    run cmp "$source/$file" "$work/from-gguf/$file"
    run cmp "$source/$file" "$work/from-original/$file"
done
printf '\nOK: %d files, each equal to its source after both ways there and back\n' "$(wc -w <<<"$published")"
