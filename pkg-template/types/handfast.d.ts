// What an application sees of Handfast.

/** What a successful connect resolves to. */
export interface Connected {
  configKey: string;
  connectionId: string;
  /** The same as `configKey`, under the name that Pizzly's clients read. */
  integrationKey: string;
  /** The same as `configKey`, under the name that later Pizzly clients read. */
  providerConfigKey: string;
}

/** The codes of this release. A newer server may send others. */
export type ErrorCode =
//ERROR_CODES

/** Why a connect did not succeed. */
export declare class ConnectError extends Error {
  readonly name: 'ConnectError';
  /** A stable code; the package's README says what to do about each. */
  readonly code: ErrorCode | (string & {});
  readonly configKey: string;
  readonly connectionId: string;
  /** The same as `configKey`, under the name that Pizzly's clients read. */
  readonly integrationKey: string;
  /** The code and the message again, in the form that Pizzly's clients read. */
  readonly error: { type: string; message: string };
}

/** How far an attempt has come. */
export interface ConnectEvent extends Connected {
  /** The window is open; the start request has been sent; the attempt has ended. */
  type: 'opened' | 'started' | 'returned';
}

/** What one connect may be told besides its two names. */
export interface ConnectOptions {
  /** The connect token from your backend, or a function that fetches it while the window is already open. */
  connectToken?: string | (() => string | Promise<string>);
  /** Values that the provider's addresses need, such as `{ subdomain: 'acme' }`. */
  params?: Record<string, string>;
  /** Scopes for this connect, where the integration lets the page choose. */
  scopes?: string[];
  /** Further parameters of the authorization request, where the integration allows them. */
  authorizationParams?: Record<string, string>;
  /** `popup` (the default) opens a window; `redirect` leaves the page and comes back to `returnTo`. */
  mode?: 'popup' | 'redirect';
  /** Where a redirect comes back to; by default the page's own address. */
  returnTo?: string;
  /** The window's size in CSS pixels (600 by 700), or a blank window that you have opened in the click yourself. */
  popup?: { width?: number; height?: number; window?: Window };
  /** How long the user may take, in milliseconds; ten minutes by default. */
  timeoutMs?: number;
  /** Aborts the attempt. */
  signal?: AbortSignal;
  /** Hears how far the attempt has come, for a progress line. */
  onEvent?: (event: ConnectEvent) => void;
}

/** Connects your users' accounts at other services. */
export declare class Handfast {
  /**
   * @param host the address of your Handfast server, such as `https://connect.example.com`
   * @param options defaults for every connect
   * @throws {ConnectError} `invalid_host`
   */
  constructor(host: string, options?: ConnectOptions);
  /** The server's address. */
  readonly host: string;
  /**
   * Opens the window before it returns: call it directly in the click. While an attempt for the same pair of names runs,
   * its window comes to the front and its promise is returned.
   *
   * @param configKey names the integration at the server
   * @param connectionId names the connection; usually your own user's id
   * @returns a promise of the names; it rejects with a `ConnectError`
   */
  connect(configKey: string, connectionId: string, options?: ConnectOptions): Promise<Connected>;
  /** Another name of `connect`, as Pizzly's later clients call it. */
  auth(configKey: string, connectionId: string, options?: ConnectOptions): Promise<Connected>;
  /**
   * Ends an attempt that left the page in redirect mode: call it when the page that comes back loads.
   *
   * @returns a promise of the names, or of `null` if no attempt was under way; it rejects with a `ConnectError`
   */
  resume(): Promise<Connected | null>;
  /** Cancels what runs at this server; the promises reject as `aborted`. */
  cancel(): void;
}

export default Handfast;
