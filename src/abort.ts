/** Settles as `act` does, or rejects with the signal's reason if that aborts first. `act` itself goes on. */
export function unlessAborted<T>(signal: AbortSignal, act: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    act.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
