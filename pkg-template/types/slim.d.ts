// The slim build: the same classes, and `start`, which loads the WebAssembly from a file of its own.

export { default, Handfast, ConnectError } from './handfast.js';
export type { Connected, ConnectEvent, ConnectOptions, ErrorCode } from './handfast.js';

/** Where the WebAssembly comes from. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;

/**
 * Loads the WebAssembly once; await it before the first click. Without a source it is `handfast.wasm` beside this module.
 */
export declare function start(source?: WasmSource | PromiseLike<WasmSource>): Promise<void>;
