/* keys.mjs - compares what @huggingface/gguf reads from a GGUF with what weigh-inspect --json says.
 *
 * usage: keys.mjs FILE.gguf OURS.json
 *
 * Of OURS.json: "metadata": [{ key, type, value }], arrays { key, type: "array", item, count };
 * "tensors": [{ name, dtype, shape, offset, bytes }], shape outermost first, offset from the start
 * of the file.  Exit status: 0 equal, 1 different, 2 usage, 3 one of the two cannot be read. */
import { readFileSync } from "node:fs";
import { gguf, GGMLQuantizationType, GGUFValueType } from "@huggingface/gguf";

const MOST_SHOWN = 20;
const TYPE_NAMES = {
    [GGUFValueType.UINT8]: "u8", [GGUFValueType.INT8]: "i8", [GGUFValueType.UINT16]: "u16", [GGUFValueType.INT16]: "i16",
    [GGUFValueType.UINT32]: "u32", [GGUFValueType.INT32]: "i32", [GGUFValueType.FLOAT32]: "f32", [GGUFValueType.BOOL]: "bool",
    [GGUFValueType.STRING]: "string", [GGUFValueType.ARRAY]: "array",
    [GGUFValueType.UINT64]: "u64", [GGUFValueType.INT64]: "i64", [GGUFValueType.FLOAT64]: "f64",
};
const HEADER_FIELDS = ["version", "tensor_count", "kv_count"]; /* which the parser lists among the keys */

let differences = 0;
function expectEqual(what, theirs, ours) {
    if (theirs === ours)
        return;
    if (++differences <= MOST_SHOWN)
        console.log(`  ${what}: parser ${theirs}, weigh-inspect ${ours}`);
}

/* A float32 has many decimal spellings: bring both sides to the one of the stored number. */
function spelling(value, type) {
    if (type === GGUFValueType.FLOAT32)
        return String(Math.fround(value));
    return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}

function compareKey(key, theirs, ours) {
    expectEqual(`${key}: type`, TYPE_NAMES[theirs.type], ours.type);
    if (theirs.type === GGUFValueType.ARRAY) {
        expectEqual(`${key}: item type`, TYPE_NAMES[theirs.subType], ours.item);
        expectEqual(`${key}: count`, theirs.value.length, ours.count);
    } else {
        expectEqual(`${key}: value`, spelling(theirs.value, theirs.type), spelling(ours.value, theirs.type));
    }
}

function compareTensor(name, theirs, ours, dataOffset) {
    expectEqual(`${name}: dtype`, GGMLQuantizationType[theirs.dtype].toLowerCase(), ours.dtype);
    expectEqual(`${name}: shape`, theirs.shape.map(Number).reverse().join("x"), ours.shape.join("x"));
    expectEqual(`${name}: offset`, Number(dataOffset + theirs.offset), ours.offset);
}

/* Both as [name, row] lists. */
function compareLists(what, theirs, ours, compare) {
    expectEqual(`number of ${what}`, theirs.length, ours.length);
    const known = new Map(ours);
    for (const [name, row] of theirs) {
        expectEqual(`${name}: present`, true, known.has(name));
        if (known.has(name))
            compare(name, row, known.get(name));
    }
}

async function compareFile(file, oursPath) {
    const parsed = await gguf(file, { allowLocalFile: true, typedMetadata: true });
    const ours = JSON.parse(readFileSync(oursPath, "utf8"));
    const keys = Object.entries(parsed.typedMetadata).filter(([key]) => !HEADER_FIELDS.includes(key));
    compareLists("keys", keys, ours.metadata.map((row) => [row.key, row]), compareKey);
    compareLists("tensors", parsed.tensorInfos.map((row) => [row.name, row]), ours.tensors.map((row) => [row.name, row]),
        (name, a, b) => compareTensor(name, a, b, parsed.tensorDataOffset));
    console.log(`${file}: ${keys.length} keys and ${parsed.tensorInfos.length} tensors compared with the parser's: ` +
        (differences ? `${differences} differences` : "equal"));
}

const [file, oursPath] = process.argv.slice(2);
if (!oursPath) {
    console.error("usage: keys.mjs FILE.gguf OURS.json");
    process.exit(2);
}
try {
    await compareFile(file, oursPath);
} catch (error) {
    console.error(`keys.mjs: ${file}: ${error.message}`);
    process.exit(3);
}
process.exit(differences ? 1 : 0);
