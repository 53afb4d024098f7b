/**
 * Runs `work` on every item, at most `limit` at a time, and returns the results in the items' order. After the first
 * rejection no further item is started; the ones under way settle before it is thrown.
 */
export async function eachConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  let failed = false;
  const workers = Array.from({ length: Math.min(limit, items.length) }, async () => {
    for (const [index, item] of queue) {
      if (failed) return;
      try {
        results[index] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  });
  const settled = await Promise.allSettled(workers);
  const broken = settled.find((worker) => worker.status === "rejected");
  if (broken) throw broken.reason;
  return results;
}
