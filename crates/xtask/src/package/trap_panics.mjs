// Rewrites a WebAssembly module so that a panic traps at once instead of formatting a message that no page shows, and
// blanks the texts that are left over.
// Usage: node trap_panics.mjs <binaryen's index.js> <input.wasm> <output.wasm>
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [library, input, output] = process.argv.slice(2);
const { default: binaryen } = await import(pathToFileURL(library));

// Panics, and what only panics reach: formatting, and the futures that the package's exports do without.
const panics = new RegExp(
  '^(core::panicking|core::fmt|core::slice::index::slice|core::str::slice_error|core::(option|result)::' +
    '(expect|unwrap)_failed|core::cell::(lazy::)?panic|alloc::raw_vec::(capacity_overflow|handle_error)' +
    '|alloc::alloc::handle_alloc_error|std::(panicking|alloc)::|std::thread::local::panic|js_sys::futures::' +
    '|wasm_bindgen::throw_str|__rustc::(rust_begin_unwind|rust_panic|__rust_alloc_error_handler|__rust_abort' +
    '|__rust_start_panic))' +
    '|^<(core::fmt::|std::panicking::)| as core::(fmt|any|panic)::|drop_in_place<.*js_sys::futures',
);
// What they would have said, and the source files they would have named.
const texts = new RegExp(
  'closure invoked recursively or after being dropped|cannot access a Thread Local Storage value during or after ' +
    'destruction: |called `Result::unwrap_throw\\(\\)` on an `Err` value|Tried to shrink to a larger capacity' +
    '|AccessError|capacity overflow|RefCell already (mutably )?borrowed|(/[^\\0]*|\\bsrc)/[\\w/-]+\\.rs\\0',
  'g',
);

const bytes = readFileSync(input);
for (const { address, start, end } of dataSegments(bytes)) {
  const files = new Set();
  for (const { 0: text, index } of bytes.toString('latin1', start, end).matchAll(texts)) {
    bytes.fill(0, start + index, start + index + text.length);
    if (text.endsWith('\0')) files.add(address + index);
  }
  // A position in a source file: the file's name, its length, line and column.
  for (let at = start; at + 16 <= end; at += 4) {
    if (files.has(bytes.readUInt32LE(at))) bytes.fill(0, at, at + 16);
  }
}

const module = binaryen.readBinary(bytes);
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

/** Where each active segment of the data section stands in the file, and to which address it is copied. */
function dataSegments(bytes) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const section = bytes[at++];
    const end = number() + at;
    if (section === 11) {
      return Array.from({ length: number() }, () => {
        // An active segment of the first memory: 0, `i32.const`, the address, `end`.
        if (bytes[at++] !== 0 || bytes[at++] !== 0x41) throw new Error('a data segment is not as rustc writes it');
        const address = number();
        at++;
        const length = number();
        const start = at;
        at += length;
        return { address, start, end: at };
      });
    }
    at = end;
  }
  throw new Error('no data section');
}
