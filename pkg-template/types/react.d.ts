// The React hook.

import type { Connected, ConnectError, ConnectOptions, Handfast } from './handfast.js';

/** What the hook returns: how far the latest connect has come, and what starts and ends one. */
export interface UseConnect {
  state: 'idle' | 'connecting' | 'connected' | 'failed';
  /** What the latest connect resolved to. */
  connected: Connected | null;
  /** Why the latest connect failed or was cancelled. */
  error: ConnectError | null;
  /**
   * Connects; call it directly in the click. Its promise never rejects: it resolves to `null` where `error` says why.
   * A connect that still runs is cancelled.
   */
  connect(configKey: string, connectionId: string, options?: ConnectOptions): Promise<Connected | null>;
  /** Cancels what runs; so does unmounting. */
  cancel(): void;
}

/**
 * @param host the server's address, or a `Handfast` made before
 * @param options defaults for every connect
 */
export declare function useConnect(host: string | Handfast, options?: ConnectOptions): UseConnect;
