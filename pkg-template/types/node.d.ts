// What a backend in Node sees of Handfast.

/** Why a request to the Handfast server did not succeed. */
export declare class HandfastError extends Error {
  readonly name: 'HandfastError';
  /** The server's own code, or `network`, `invalid_host`, `invalid_name`, `invalid_signature`, `unexpected_answer`. */
  readonly code: string;
  /** The HTTP status, where there was an answer. */
  readonly status?: number;
  /** The server's problem document (RFC 9457), where there was one. */
  readonly problem?: Record<string, unknown> | null;
}

/** What opens the provider's API. */
export type Credentials =
  | {
      type: 'OAUTH2';
      access_token: string;
      refresh_token?: string | null;
      /** When the access token dies, as ISO 8601; absent where the provider does not say. */
      expires_at?: string | null;
      /** The provider's last token answer, as it came. */
      raw: Record<string, unknown>;
    }
  | { type: 'OAUTH1'; oauth_token: string; oauth_token_secret: string; raw: Record<string, unknown> }
  | { type: string; raw?: Record<string, unknown>; [field: string]: unknown };

/** One end user's grant to one integration. */
export interface Connection {
  config_key: string;
  connection_id: string;
  created_at: string;
  updated_at: string;
  credentials: Credentials;
  [field: string]: unknown;
}

/** How a connection is read. */
export interface ReadOptions {
  /** Renews the access token even if it is not due. */
  forceRefresh?: boolean;
}

/** What a connect token allows, and nothing else: the page may repeat what its token says, but not add to it. */
export interface ConnectTokenRequest {
  /** The integrations it may be used for; every one where absent. */
  configKeys?: string[];
  connectionId: string;
  /** The origin of the page that will use it; every one that the integration allows where absent. */
  origin?: string;
  /** The connect parameters. What is missing the window asks the user for. */
  params?: Record<string, string>;
  /** What may be asked for at most; what the integration asks for where absent. */
  scopes?: string[];
  authorizationParams?: Record<string, string>;
}

/** A token for `connect(.., { connectToken })` in the browser. */
export interface ConnectToken {
  connectToken: string;
  expiresAt: string;
}

/** What a webhook reports. */
export interface WebhookEvent {
  type: 'connection.created' | 'connection.refresh_failed' | 'connection.needs_reconnect' | 'connection.deleted';
  /** RFC 3339. */
  timestamp: string;
  /** `reason` says, in a sentence for people, why a refresh failed. */
  data: { config_key: string; connection_id: string; reason?: string };
}

/** The headers of a request: `Headers`, or a plain object with names in lower case, as Node has them. */
export type WebhookHeaders = { get(name: string): string | null } | Record<string, string | string[] | undefined>;

/**
 * Checks the signature and the time of a webhook.
 *
 * @param body the raw request body, before any parsing
 * @param secret the webhook secret as it was shown, `whsec_..`
 * @param now milliseconds since the epoch; the present by default
 * @returns the event
 * @throws {HandfastError} `invalid_signature`
 */
export declare function verifyWebhook(
  body: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string,
  now?: number,
): WebhookEvent;

/** Asks a Handfast server for tokens. */
export declare class Handfast {
  /**
   * @param host the server's address; `http://localhost:3004` by default
   * @param options `apiKey` is the environment's `HANDFAST_API_KEY` by default; `timeoutMs` bounds each request (30,000)
   * @throws {HandfastError} `invalid_host`
   */
  constructor(host?: string, options?: { apiKey?: string; timeoutMs?: number });
  /** The server's address. */
  readonly host: string;
  /** A fresh access token. Ask for it before each call to the provider, and do not keep it. */
  currentAccessToken(
    configKey: string,
    connectionId: string,
    options?: ReadOptions,
  ): Promise<string | { oAuthToken: string; oAuthTokenSecret: string }>;
  /** The provider's last token answer, as it came. */
  rawTokenResponse(configKey: string, connectionId: string, options?: ReadOptions): Promise<Record<string, unknown>>;
  /** Another spelling of `rawTokenResponse`. */
  rawTokenReponse(configKey: string, connectionId: string, options?: ReadOptions): Promise<Record<string, unknown>>;
  /** The whole connection, with fresh credentials. */
  connection(configKey: string, connectionId: string, options?: ReadOptions): Promise<Connection>;
  /** A token that allows the page one connect. */
  createConnectToken(request: ConnectTokenRequest): Promise<ConnectToken>;
  /** The same as the function `verifyWebhook`. */
  verifyWebhook(body: string | Uint8Array, headers: WebhookHeaders, secret: string, now?: number): WebhookEvent;
}

export default Handfast;
