// The custom element <handfast-connect>.
import Handfast from 'handfast';
import { connectFor } from './connecting.js';

// A server that renders pages has no elements.
const Base = globalThis.HTMLElement ?? class {};

export class HandfastConnectElement extends Base {
  static observedAttributes = ['disabled'];

  /** Options for `connect`. */
  options = undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    this.button = document.createElement('button');
    this.button.type = 'button';
    this.button.part = 'button';
    const slot = document.createElement('slot');
    slot.textContent = 'Connect';
    this.button.append(slot);
    this.button.onclick = () => this.connect();
    root.append(this.button);
  }

  attributeChangedCallback() {
    this.button.disabled = this.hasAttribute('disabled');
  }

  connect() {
    connectFor(this, 'state', (events) =>
      new Handfast(this.getAttribute('host')).connect(this.getAttribute('config-key'), this.getAttribute('connection-id'), {
        ...events,
        ...this.options,
      }),
    );
  }
}

if (globalThis.customElements && !customElements.get('handfast-connect')) {
  customElements.define('handfast-connect', HandfastConnectElement);
}
