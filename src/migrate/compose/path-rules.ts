/** Rules by place in the model, as a tree to walk along with: `services.*.ports`; `*` is any key or item. */
export interface PathRules<T> {
  readonly rule?: T;
  readonly exact: ReadonlyMap<string, PathRules<T>>;
  readonly any?: PathRules<T>;
}

interface Growing<T> {
  rule?: T;
  exact: Map<string, Growing<T>>;
  any?: Growing<T>;
}

/** Where one level has both a key and `*`, the key's rules hold for it alone. */
export function pathRules<T>(rules: Readonly<Record<string, T>>): PathRules<T> {
  const root: Growing<T> = { exact: new Map() };
  for (const [pattern, rule] of Object.entries(rules)) {
    let at = root;
    for (const part of pattern.split(".")) {
      const next: Growing<T> = (part === "*" ? at.any : at.exact.get(part)) ?? { exact: new Map() };
      if (part === "*") at.any = next;
      else at.exact.set(part, next);
      at = next;
    }
    at.rule = rule;
  }
  return root;
}

/** The rules one level down. */
export function step<T>(rules: PathRules<T> | undefined, key: string | number): PathRules<T> | undefined {
  return (typeof key === "string" ? rules?.exact.get(key) : undefined) ?? rules?.any;
}
