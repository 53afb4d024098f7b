/**
 * A text that reaches the container as it is. Kubernetes replaces `$(NAME)` in command, args, env and probes, and takes `$$`
 * for one `$` (k8s.io/kubernetes/third_party/forked/golang/expansion): so each `$` of such a run is doubled.
 */
export function escapeExpansion(text: string): string {
  return text.replace(/\${2,}|\$(?=\()/g, (run) => run + run);
}

/** A text that devloop.yaml gives back as it is: `${NAME}` is a variable there, and `$$` one `$`. */
export function escapeVariables(text: string): string {
  return text.replace(/\${2,}|\$(?=\{)/g, (run) => run + run);
}
