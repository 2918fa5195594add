// A hook that connects in a click and tells how far it has come.
import { useCallback, useEffect, useRef, useState } from 'react';
import Handfast from 'handfast';

const IDLE = { state: 'idle', connected: null, error: null };

export function useConnect(host, options) {
  const [outcome, setOutcome] = useState(IDLE);
  const running = useRef(null);
  const cancel = useCallback(() => running.current?.abort(), []);
  // Whoever leaves the page's part leaves the attempt.
  useEffect(() => cancel, [cancel]);

  const latest = useRef(options);
  latest.current = options;
  const connect = useCallback(
    (configKey, connectionId, more) => {
      running.current?.abort();
      const controller = new AbortController();
      running.current = controller;
      setOutcome({ ...IDLE, state: 'connecting' });
      const settle = (next) => {
        if (running.current !== controller) return;
        running.current = null;
        setOutcome({ ...IDLE, ...next });
      };
      let promise;
      try {
        const handfast = typeof host === 'string' ? new Handfast(host) : host;
        const all = { ...latest.current, ...more };
        all.signal?.addEventListener('abort', () => controller.abort(), { once: true });
        if (all.signal?.aborted) controller.abort();
        // Still inside the click: the window opens before this returns.
        promise = handfast.connect(configKey, connectionId, { ...all, signal: controller.signal });
      } catch (error) {
        promise = Promise.reject(error);
      }
      return promise.then(
        (connected) => {
          settle({ state: 'connected', connected });
          return connected;
        },
        (error) => {
          settle({ state: error.code === 'aborted' ? 'idle' : 'failed', error });
          return null;
        },
      );
    },
    [host],
  );
  return { ...outcome, connect, cancel };
}
