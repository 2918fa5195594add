// Starts the WebAssembly that lies in a file of its own.
import { finish, imports } from './sdk.js';
import { ConnectError } from './connect_error.js';

let started;
let starting;

/**
 * Loads the WebAssembly once: from the file beside this module, or from what is given: an address, a response (or a
 * promise of one), bytes, or a compiled module. A load that failed may be tried again.
 */
export function load(source) {
  starting ??= instantiate(source).catch((cause) => {
    starting = undefined;
    throw cause;
  });
  return starting;
}

async function instantiate(source) {
  let wasm = await (source ?? new URL('./handfast.wasm', import.meta.url));
  if (typeof wasm === 'string' || wasm instanceof URL) wasm = await fetch(wasm);
  if (globalThis.Response && wasm instanceof Response) {
    if (!wasm.ok) throw new Error(`${wasm.url}: ${wasm.status}`);
    wasm = await wasm.arrayBuffer();
  }
  const result = await WebAssembly.instantiate(wasm, imports());
  finish(result.instance ?? result);
  started = true;
}

/** Begins to load, so that a later click finds everything ready. */
export function start() {
  // Whoever connects is told of a failure; until then nobody needs to be.
  if (!started) load().catch(() => {});
}

/** Calls `run` as soon as the WebAssembly has started: at once, if it has. */
export function whenStarted(run, names) {
  if (started) return run();
  return load().then(run, (cause) => {
    throw new ConnectError('network', 'the WebAssembly of the slim build did not load: ' + cause, names);
  });
}

/** Whether the WebAssembly has started. */
export const isStarted = () => started;
