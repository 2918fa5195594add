// The script-tag file: defines the one global name `Handfast`, and makes marked buttons connect.
import { ConnectError, Handfast } from './handfast.js';
import { connectFor } from './connecting.js';

Handfast.ConnectError = ConnectError;
globalThis.Handfast = Handfast;

// A server hands this file out at <its address>/sdk/handfast.js.
const server = globalThis.document?.currentScript?.src.replace(/\/sdk\/[^/]*$/, '');

globalThis.document?.addEventListener('click', ({ target }) => {
  const button = target.closest?.('[data-handfast-connect]');
  if (!button) return;
  const { handfastConnect, handfastConnectionId, handfastHost, handfastConnectToken } = button.dataset;
  connectFor(button, 'data-handfast-state', (events) =>
    new Handfast(handfastHost ?? server).connect(handfastConnect, handfastConnectionId, {
      ...events,
      connectToken: handfastConnectToken,
    }),
  );
});
