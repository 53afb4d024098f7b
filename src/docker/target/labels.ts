/** What stands in the engine's labels of everything that the docker target makes: by them a later devloop knows it again. */
export const label = {
  /** The project's name: on containers, volumes and networks. */
  project: "devloop.dev/project",
  namespace: "devloop.dev/namespace",
  /** `hold` for a pod's network, `container`, `service`, or `record` of a workload without pods. */
  role: "devloop.dev/role",
  /** The deploy that made it. */
  deploy: "devloop.dev/deploy",
  /** `Deployment/dev/web`. */
  owner: "devloop.dev/owner",
  /** The workload as JSON, as it was when the pod was made. */
  workload: "devloop.dev/workload",
  /** The pod as JSON: its metadata and its spec. */
  pod: "devloop.dev/pod",
  uid: "devloop.dev/pod-uid",
  container: "devloop.dev/container",
  /** How often the container was started before. */
  attempt: "devloop.dev/attempt",
  /** The Service's name, and itself as JSON. */
  service: "devloop.dev/service",
  object: "devloop.dev/object",
  /** The name of a claim that a volume stands for. */
  claim: "devloop.dev/claim",
} as const;

/** `key=value`, as the engine's filters have it. */
export function labelled(key: string, value: string): string {
  return `${key}=${value}`;
}
