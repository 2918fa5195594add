// The script-tag file: defines the one global name `Handfast`.
import { ConnectError, Handfast } from './handfast.js';

Handfast.ConnectError = ConnectError;
globalThis.Handfast = Handfast;
