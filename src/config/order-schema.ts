import { z } from "zod";

const name = z.string().min(1);
const milestones = ["started", "ready", "completed"] as const;
/** `order`: what waits for what. */
export const orderSchema = z
  .record(
    name,
    z
      .record(
        name,
        z.enum(milestones).describe("started: a pod runs; ready: all do; completed: the job ended well."),
      )
      .describe("The workloads that it waits for, and how far each is to be."),
  )
  .superRefine((order, context) => {
    const circle = findCircle(order);
    if (!circle) return;
    context.addIssue({
      code: "custom",
      path: [circle[0] ?? ""],
      message: `waits for itself: ${circle.join(" → ")}`,
    });
  })
  .describe("What a workload waits for before it is applied, by their names in the manifests.");

/** Names that wait for one another in a circle, the first again at the end; undefined where there is none. */
function findCircle(
  order: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): readonly string[] | undefined {
  const clear = new Set<string>();
  const visit = (name: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (clear.has(name)) return undefined;
    for (const other of Object.keys(order[name] ?? {})) {
      const circle = visit(other, [...path, name]);
      if (circle) return circle;
    }
    clear.add(name);
    return undefined;
  };
  for (const name of Object.keys(order)) {
    const circle = visit(name, []);
    if (circle) return circle;
  }
  return undefined;
}
