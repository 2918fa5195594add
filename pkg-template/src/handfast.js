// The class an application works with.
import { cancel, connect, parseHost, resume } from './sdk.js';
import { isStarted, start, whenStarted } from 'handfast-start';
import { ConnectError } from './connect_error.js';

class Handfast {
  constructor(host, options) {
    start();
    this.host = isStarted() ? parseHost(host) : host;
    this.options = options;
  }

  connect(configKey, connectionId, options) {
    return whenStarted(
      () => connect(globalThis.window, this.host, configKey, connectionId, { ...this.options, ...options }),
      { configKey, connectionId },
    );
  }

  auth(configKey, connectionId, options) {
    return this.connect(configKey, connectionId, options);
  }

  resume() {
    return whenStarted(() => resume(globalThis.window, this.host));
  }

  cancel() {
    if (isStarted()) cancel(this.host);
  }
}

export { Handfast, Handfast as default, ConnectError };
