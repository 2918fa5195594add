// The build for pages that load the WebAssembly as a file of its own.
export { ConnectError, Handfast, default } from './handfast.js';
export { load as start } from 'handfast-start';
