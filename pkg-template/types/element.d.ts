// The custom element <handfast-connect config-key=".." connection-id=".." host="..">.

import type { Connected, ConnectError, ConnectEvent, ConnectOptions } from './handfast.js';

/**
 * A button that connects. Its attribute `state` is `connecting`, `connected` or `failed`; its button is the part
 * `button`; its content is the button's.
 */
export declare class HandfastConnectElement extends HTMLElement {
  /** Options for `connect`. */
  options: ConnectOptions | undefined;
  /** Does what a click on the button does; call it inside a click of your own. */
  connect(): void;
}

/** The events it fires; all bubble, also out of shadow trees. */
export interface HandfastConnectEvents {
  'handfast-event': CustomEvent<ConnectEvent>;
  'handfast-connected': CustomEvent<Connected>;
  'handfast-error': CustomEvent<ConnectError>;
}

declare global {
  interface HTMLElementTagNameMap {
    'handfast-connect': HandfastConnectElement;
  }
  interface HTMLElementEventMap extends HandfastConnectEvents {}
}
