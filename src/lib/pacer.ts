/**
 * For long synchronous work: call it between pieces; when the work has run for `sliceMs`, it returns a promise to await,
 * so that timers, keys and sockets get their turn. Undefined, at the cost of one look at the clock, otherwise.
 */
export function createPacer(sliceMs = 8): () => Promise<void> | undefined {
  let began = performance.now();
  return () => {
    if (performance.now() - began < sliceMs) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        began = performance.now();
        resolve();
      });
    });
  };
}
