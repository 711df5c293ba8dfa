/* npy.mjs - reads a two-dimensional little-endian float32 .npy file. */
import { readFileSync } from "node:fs";

/* Returns { rows, columns, at(row, column) }. */
export function readNpy(path) {
    const bytes = readFileSync(path);
    if (bytes.toString("latin1", 0, 6) !== "\x93NUMPY")
        throw new Error(`${path}: not a .npy file`);
    const long = bytes[6] >= 2;
    const start = (long ? 12 : 10) + (long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
    const header = bytes.toString("latin1", 8, start);
    const shape = /'shape': \((\d+), (\d+)\)/.exec(header);
    if (!/'descr': '<f4'/.test(header) || !/'fortran_order': False/.test(header) || !shape)
        throw new Error(`${path}: not a row-major float32 matrix: ${header}`);
    const [rows, columns] = [Number(shape[1]), Number(shape[2])];
    if (bytes.length !== start + rows * columns * 4)
        throw new Error(`${path}: its length does not fit its shape`);
    return { rows, columns, at: (r, c) => bytes.readFloatLE(start + (r * columns + c) * 4) };
}
