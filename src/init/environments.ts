// Which part of a project a path belongs to, by the words that projects use for it.

/** What overlays, values files and Dockerfiles are called after, those for development first. */
const environments = [
  "dev",
  "development",
  "local",
  "test",
  "qa",
  "ci",
  "preview",
  "uat",
  "stage",
  "staging",
  "prod",
  "production",
];
const forDevelopment: ReadonlySet<string> = new Set(["dev", "development", "local"]);
const asides: ReadonlySet<string> = new Set([
  "test",
  "tests",
  "e2e",
  "example",
  "examples",
  "sample",
  "samples",
  "fixtures",
  "docs",
]);

export function isEnvironment(word: string): boolean {
  return environments.includes(word);
}

export function isDevelopment(path: string): boolean {
  return path.split("/").some((segment) => forDevelopment.has(segment));
}

/** Lower is nearer to development; what names no environment stands between development and all others. */
export function environmentRank(path: string): number {
  const [rank] = path
    .split("/")
    .map((segment) => environments.indexOf(segment))
    .filter((index) => index >= 0);
  return rank ?? forDevelopment.size - 0.5;
}

/** Those that are the project itself; examples and tests only where there is nothing else. */
export function withoutAsides<T>(found: readonly T[], pathOf: (item: T) => string): readonly T[] {
  const own = found.filter((item) => {
    const segments = pathOf(item).split("/");
    // An overlay may well be called test.
    return !segments.slice(0, 1).some((segment) => asides.has(segment)) && !segments.includes("samples");
  });
  return own.length > 0 ? own : found;
}
