// Why a connect did not succeed.

/** An error with a stable `code`. `integrationKey` and `error` are what programs written for Pizzly read. */
export class ConnectError extends Error {
  constructor(code, message, configKey, connectionId) {
    super(message);
    this.name = 'ConnectError';
    this.code = code;
    this.configKey = this.integrationKey = configKey;
    this.connectionId = connectionId;
    this.error = { type: code, message };
  }
}
