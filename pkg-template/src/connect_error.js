// Why a connect did not succeed.

/** An error with a stable `code`. `integrationKey` and `error` are what programs written for Pizzly read. */
export class ConnectError extends Error {
  constructor(code, message, names) {
    super(message);
    Object.assign(this, names, { name: 'ConnectError', code, error: { type: code, message } });
  }
}
