/* speed.mjs - tokens per second of llama.cpp on a GGUF, as tests/bench/forward.c measures ours.
 *
 * usage: speed.mjs FILE.gguf PREFILL DECODE
 *
 * Prints "PREFILL-TOKENS/S DECODE-TOKENS/S"; the first pass, which reads the weights, is not counted. */
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [file, prefill, decode] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 2048, batchSize: 512, threads: llama.cpuMathCores });
const sequence = context.getSequence();
const ids = (from, n) => Array.from({ length: n }, (_, i) => ((from + i) * 7919 + 13) % 200000);

/* Only the last token's logits are asked for, as on our side. */
async function feed(from, n) {
    const input = ids(from, n);
    const last = input.pop();
    await sequence.controlledEvaluate([...input, [last, { generateNext: { token: true } }]]);
}

await feed(0, prefill);
await sequence.clearHistory();
let start = performance.now();
await feed(0, prefill);
const atOnce = (prefill / (performance.now() - start)) * 1000;
start = performance.now();
for (let i = 0; i < decode; i++) await feed(prefill + i, 1);
console.log(`${atOnce.toFixed(3)} ${((decode / (performance.now() - start)) * 1000).toFixed(3)}`);
process.exit(0);
