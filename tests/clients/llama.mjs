/* llama.mjs - loads a GGUF in llama.cpp and evaluates token ids; compares the logits with golden ones.
 *
 * usage: llama.mjs FILE.gguf ID... [--top N] [--golden LOGITS.npy --rms BOUND]
 *
 * Prints the likeliest tokens after the last id and, with --golden, the rms difference over all
 * rows.  Exit status: 0 fine, 1 the difference is above the bound, 2 usage, 3 llama.cpp refuses. */
import { parseArgs } from "node:util";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { readNpy } from "./npy.mjs";

function usage(message) {
    console.error(`llama.mjs: ${message}\nusage: llama.mjs FILE.gguf ID... [--top N] [--golden LOGITS.npy --rms BOUND]`);
    process.exit(2);
}

function commandLine() {
    const { values, positionals } = parseArgs({
        allowPositionals: true,
        options: { top: { type: "string" }, golden: { type: "string" }, rms: { type: "string" } },
    });
    const [file, ...ids] = positionals;
    if (!file || ids.length === 0 || !ids.every((id) => /^\d+$/.test(id)))
        usage("a file and token ids are needed");
    if (!values.golden !== !values.rms)
        usage("--golden and --rms go together");
    return { file, ids: ids.map(Number), top: Number(values.top ?? 5), golden: values.golden, rms: Number(values.rms) };
}

/* One Map from token id to logit per position, the whole vocabulary in each. */
async function evaluate(file, ids) {
    const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
    const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
    const context = await model.createContext({ contextSize: 512 });
    const input = ids.map((id) => [id, { generateNext: { logits: true } }]);
    const rows = await context.getSequence().controlledEvaluate(input);
    return { model, rows: ids.map((_, i) => rows[i].next.logits) };
}

function printTop(model, logits, n) {
    for (const [id, logit] of [...logits].sort((a, b) => b[1] - a[1]).slice(0, n))
        console.log(`  ${String(id).padStart(6)}  ${logit.toFixed(4).padStart(9)}  ${JSON.stringify(model.detokenize([id], true))}`);
}

/* The root of the mean squared difference over all positions and the whole vocabulary. */
function rmsDifference(rows, golden) {
    if (golden.rows !== rows.length)
        throw new Error(`golden logits have ${golden.rows} rows for ${rows.length} tokens`);
    let sum = 0;
    for (const [r, logits] of rows.entries()) {
        if (logits.size !== golden.columns)
            throw new Error(`vocabulary of ${logits.size} here, ${golden.columns} in the golden logits`);
        for (const [id, logit] of logits)
            sum += (logit - golden.at(r, id)) ** 2;
    }
    return Math.sqrt(sum / (golden.rows * golden.columns));
}

const args = commandLine();
let verdict = 0;
try {
    const { model, rows } = await evaluate(args.file, args.ids);
    console.log(`${args.file}: likeliest after ${args.ids.length} tokens`);
    printTop(model, rows.at(-1), args.top);
    if (args.golden) {
        const rms = rmsDifference(rows, readNpy(args.golden));
        verdict = rms <= args.rms ? 0 : 1; /* NaN fails */
        console.log(`  rms difference ${rms.toPrecision(4)}, bound ${args.rms}: ${verdict ? "FAIL" : "ok"}`);
    }
} catch (error) {
    console.error(`llama.mjs: ${args.file}: ${error.message}`);
    verdict = 3;
}
process.exit(verdict);
