// The backend half, for Node 18 and later: fresh access tokens, connect tokens, webhooks. No dependencies.

import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';

/** How far a webhook's clock may be off, in seconds. */
const WEBHOOK_TOLERANCE = 300;

export class HandfastError extends Error {
  constructor(code, message, status, details = {}) {
    super(message);
    this.name = 'HandfastError';
    this.code = code;
    this.status = status;
    Object.assign(this, details);
  }
}

export class Handfast {
  #apiKey;
  #timeoutMs;

  constructor(host = 'http://localhost:3004', { apiKey = process.env.HANDFAST_API_KEY, timeoutMs = 30_000 } = {}) {
    const url = URL.canParse(host) ? new URL(host) : null;
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
      throw new HandfastError('invalid_host', `host must be an http or https address, not ${JSON.stringify(host)}`);
    }
    this.host = host.replace(/\/+$/, '');
    this.#apiKey = apiKey;
    this.#timeoutMs = timeoutMs;
  }

  async currentAccessToken(configKey, connectionId, options) {
    const { credentials } = await this.connection(configKey, connectionId, options);
    switch (credentials.type) {
      case 'OAUTH2':
        return credentials.access_token;
      case 'OAUTH1':
        return { oAuthToken: credentials.oauth_token, oAuthTokenSecret: credentials.oauth_token_secret };
      default:
        throw new HandfastError('no_access_token', `a connection of type ${credentials.type} has no access token; read its credentials with connection()`);
    }
  }

  async rawTokenResponse(configKey, connectionId, options) {
    return (await this.connection(configKey, connectionId, options)).credentials.raw;
  }

  /** The guide that Handfast grew from spells it so. */
  rawTokenReponse(configKey, connectionId, options) {
    return this.rawTokenResponse(configKey, connectionId, options);
  }

  connection(configKey, connectionId, { forceRefresh = false } = {}) {
    requireText('configKey', configKey);
    requireText('connectionId', connectionId);
    const query = new URLSearchParams({ config_key: configKey });
    if (forceRefresh) query.set('force_refresh', 'true');
    return this.#request('GET', `/connections/${encodeURIComponent(connectionId)}?${query}`);
  }

  async createConnectToken({ configKeys, connectionId, origin, params, scopes, authorizationParams }) {
    requireText('connectionId', connectionId);
    const answer = await this.#request('POST', '/connect/tokens', {
      config_keys: configKeys,
      connection_id: connectionId,
      origin,
      params,
      scopes,
      authorization_params: authorizationParams,
    });
    return { connectToken: answer.connect_token, expiresAt: answer.expires_at };
  }

  async #request(method, path, body) {
    const headers = { accept: 'application/json' };
    if (this.#apiKey) headers.authorization = `Bearer ${this.#apiKey}`;
    if (body) headers['content-type'] = 'application/json';
    let response;
    try {
      response = await fetch(this.host + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
    } catch (cause) {
      const reason = cause.name === 'TimeoutError' ? `did not answer in ${this.#timeoutMs} ms` : 'could not be reached';
      throw new HandfastError('network', `${this.host} ${reason}`, undefined, { cause });
    }
    const answer = await response.json().catch(() => null);
    if (!response.ok) {
      const code = answer?.code ?? 'unexpected_answer';
      const message = answer?.detail ?? answer?.title ?? `${this.host} answered ${response.status}`;
      throw new HandfastError(code, message, response.status, { problem: answer });
    }
    if (answer === null) {
      throw new HandfastError('unexpected_answer', `${this.host} did not answer with JSON`, response.status);
    }
    return answer;
  }

  verifyWebhook(body, headers, secret, now) {
    return verifyWebhook(body, headers, secret, now);
  }
}

/** Checks a webhook as Standard Webhooks describes it and returns its event. */
export function verifyWebhook(body, headers, secret, now = Date.now()) {
  const header = (name) => (typeof headers.get === 'function' ? headers.get(name) : headers[name]);
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => {
    const value = header(name);
    if (typeof value !== 'string' || value === '') refuse(`the header ${name} is missing`);
    return value;
  });
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > WEBHOOK_TOLERANCE) {
    refuse('the header webhook-timestamp is not of the last five minutes');
  }
  if (typeof secret !== 'string' || !secret.startsWith('whsec_')) {
    throw new TypeError('secret must be the webhook secret as it was shown, starting with whsec_');
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (!ArrayBuffer.isView(bytes)) {
    throw new TypeError('body must be the raw request body, a string or bytes, before any parsing');
  }
  const expected = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'))
    .update(`${id}.${timestamp}.`)
    .update(bytes)
    .digest();
  const matches = signatures.split(' ').some((signature) => {
    const given = signature.startsWith('v1,') ? Buffer.from(signature.slice(3), 'base64') : Buffer.alloc(0);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!matches) refuse('no signature in the header webhook-signature is ours');
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
}

function refuse(reason) {
  throw new HandfastError('invalid_signature', `not a webhook of this server: ${reason}`);
}

function requireText(field, value) {
  if (typeof value !== 'string' || value === '') {
    throw new HandfastError('invalid_name', `${field} must be a text that is not empty`);
  }
}

export default Handfast;
