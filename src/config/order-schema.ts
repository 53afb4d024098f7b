import { z } from "zod";

const name = z.string().min(1);
const milestone = z
  .enum(["started", "ready", "completed"])
  .describe("started: a pod runs; ready: all do; completed: the job ended well.");
const need = z.union([
  milestone,
  z
    .strictObject({
      until: milestone,
      restart: z
        .boolean()
        .default(false)
        .describe(
          "Start the workload anew whenever the other one is: new pods of that make new pods of this.",
        ),
    })
    .describe("How far it is to be, and whether its new pods make new pods here."),
]);
/** `order`: what waits for what. */
export const orderSchema = z
  .record(name, z.record(name, need).describe("The workloads that it waits for, and how far each is to be."))
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
