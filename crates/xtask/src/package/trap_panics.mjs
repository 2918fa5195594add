// Rewrites a WebAssembly module so that a panic traps at once instead of formatting a message that no page shows.
// Usage: node trap_panics.mjs <binaryen's index.js> <input.wasm> <output.wasm>
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [library, input, output] = process.argv.slice(2);
const { default: binaryen } = await import(pathToFileURL(library));

// Panics, and what only panics reach: formatting, and the futures that the package's exports do without.
const panics = new RegExp(
  '^(core::panicking|core::fmt|core::slice::index::slice|core::str::slice_error|core::(option|result)::' +
    '(expect|unwrap)_failed|core::cell::(lazy::)?panic|alloc::raw_vec::(capacity_overflow|handle_error)' +
    '|alloc::alloc::handle_alloc_error|std::(panicking|alloc)::|js_sys::futures::' +
    '|__rustc::(rust_begin_unwind|rust_panic|__rust_alloc_error_handler|__rust_abort|__rust_start_panic))' +
    '|^<(core::fmt::|std::panicking::)| as core::(fmt|any|panic)::|drop_in_place<.*js_sys::futures',
);

const module = binaryen.readBinary(readFileSync(input));
const functions = [];
for (let index = 0; index < module.getNumFunctions(); index++) {
  functions.push(binaryen.getFunctionInfo(module.getFunctionByIndex(index)));
}
let trapped = 0;
for (const { name, params, results } of functions) {
  // Names carry the crate's hash: core[c5930c85a12de822]::panicking::panic_fmt
  if (!panics.test(name.replace(/\[[0-9a-f]+\]/g, ''))) continue;
  module.removeFunction(name);
  module.addFunction(name, params, results, [], module.unreachable());
  trapped++;
}
if (trapped === 0) throw new Error('no panic function found: was the name section stripped?');
writeFileSync(output, module.emitBinary());
