// Names of Compose as names of Kubernetes.

/**
 * The nearest name that a Service can have (RFC 1035: lower-case letters, digits and "-", a letter first, at most 63).
 * `fallback` stands for a name without a single usable character.
 */
export function dnsName(name: string, fallback = "service"): string {
  const label = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  if (label === "") return fallback;
  return /^[a-z]/.test(label) ? label : `s-${label}`.slice(0, 63).replace(/-+$/, "");
}

/** Names by key, each used once: a second `my-db` becomes `my-db-2`. Names that need no change go first. */
export function uniqueNames(keys: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  const names = new Map<string, string>();
  const exactFirst = [...keys].sort(
    (left, right) => Number(dnsName(right) === right) - Number(dnsName(left) === left),
  );
  for (const key of exactFirst) {
    const name = freeName(dnsName(key), taken);
    taken.add(name);
    names.set(key, name);
  }
  return names;
}

/** The name, with the first number after it that makes it free. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? "" : `-${number}`;
    const tried = `${name.slice(0, 63 - suffix.length).replace(/-+$/, "")}${suffix}`;
    if (!taken.has(tried)) return tried;
  }
}

/** Whether a name, looked up in the cluster as it is written, finds the Service `dns`: DNS knows no case. */
export function resolvesAs(name: string, dns: string): boolean {
  return name.toLowerCase() === dns;
}

/** A label's value: letters, digits and `-_.`, at most 63. */
export function isLabelValue(text: string): boolean {
  return text === "" || /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(text);
}

/** A label's or annotation's key: a name of at most 63, with a DNS prefix or without. */
export function isLabelKey(text: string): boolean {
  const [name = "", prefix] = text.split("/").reverse();
  if (text.split("/").length > 2 || !/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(name))
    return false;
  return prefix === undefined || /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(prefix);
}

/** A profile's name as a part of a folder's, and as a profile of devloop.yaml. */
export function profileName(profile: string): string {
  const name = profile.replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return name === "" ? "profile" : name;
}

/** A file's name as a key of a ConfigMap. */
export function configKey(name: string): string {
  const key = name.replace(/[^-._a-zA-Z0-9]+/g, "_").slice(0, 253);
  return key === "" || key === "." || key === ".." ? "file" : key;
}
