declare const DEVLOOP_VERSION: string | undefined;

/** The version of this build, from package.json; "dev" when run from its sources. */
export const version = typeof DEVLOOP_VERSION === "string" ? DEVLOOP_VERSION : "dev";
