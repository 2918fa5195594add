// Connects for an element of the page and tells it, and whoever listens above it, what came of it.

/**
 * Sets `attribute` to `connecting`, `connected` or `failed`, and fires `handfast-event`, `handfast-connected` or
 * `handfast-error` at `element`; all bubble, also out of shadow trees.
 */
export function connectFor(element, attribute, connect) {
  const tell = (type, detail) => element.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
  element.setAttribute(attribute, 'connecting');
  const failed = (error) => {
    element.setAttribute(attribute, 'failed');
    tell('handfast-error', error);
  };
  try {
    connect({ onEvent: (event) => tell('handfast-event', event) }).then((connected) => {
      element.setAttribute(attribute, 'connected');
      tell('handfast-connected', connected);
    }, failed);
  } catch (error) {
    failed(error);
  }
}
