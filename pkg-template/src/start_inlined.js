// Starts the WebAssembly that lies inside this file, once, at the first use.
import { finish, imports } from './sdk.js';
import { wasmBytes } from 'wasm-bytes';
import { ConnectError } from './connect_error.js';

let started;
let starting;

/** Starts synchronously, so that a click finds everything ready; where a browser limits that, in the background. */
export function start() {
  if (started || starting) return;
  try {
    finish(new WebAssembly.Instance(new WebAssembly.Module(wasmBytes()), imports()));
    started = true;
  } catch {
    starting = (async () => {
      finish((await WebAssembly.instantiate(wasmBytes(), imports())).instance);
      started = true;
    })();
    // Whoever connects is told; until then nobody needs to be.
    starting.catch(() => {});
  }
}

/** Calls `run` as soon as the WebAssembly has started: at once, if it has. */
export function whenStarted(run, names) {
  if (started) return run();
  return starting.then(run, (cause) => {
    const message =
      "this page may not run WebAssembly: add 'wasm-unsafe-eval' to script-src of its Content-Security-Policy (" + cause + ')';
    throw new ConnectError('csp_blocked', message, names);
  });
}

/** Whether the WebAssembly has started. */
export const isStarted = () => started;
