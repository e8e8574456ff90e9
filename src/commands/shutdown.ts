/*
 * How a command that goes on is stopped: by Ctrl-C, by SIGTERM, by a terminal that is closed, or as nobody reads its output.
 */

/** The exit code that shells give to a program which Ctrl-C has ended. */
export const INTERRUPTED = 130;

/** Set by abortOnShutdown: what stops the command that is under way. */
let stopping: AbortController | undefined;

/** The first Ctrl-C or SIGTERM aborts it, the second one ends the process at once. A closed terminal aborts it, too. */
export function abortOnShutdown(): AbortController & Disposable {
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? INTERRUPTED : 143);
    stop.abort();
  };
  // Never ends the process at once: SIGHUP may come twice, from the kernel and from the shell.
  const onHangUp = () => stop.abort();
  stopping = stop;
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangUp);
  return Object.assign(stop, {
    [Symbol.dispose]: () =>
      void process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangUp),
  });
}

/** Stops what is under way, as its output cannot be written any more; false when it cannot be stopped in an orderly way. */
export function loseOutput(): boolean {
  stopping?.abort();
  return stopping !== undefined;
}

const LINGER_MS = 1_000;

/**
 * To be called at the end of a command: if it was stopped, the process ends soon. A task that ignores its signal must not keep
 * it alive, as that was given back long ago; output that is still to be read may.
 */
export function exitWhenStopped(): void {
  if (!stopping?.signal.aborted) return;
  const exit = () => {
    if (process.stdout.writableLength === 0) process.exit();
  };
  setInterval(exit, LINGER_MS).unref();
}
