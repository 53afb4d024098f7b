import { homedir } from "node:os";
import { connectEngine } from "../src/docker/connect.js";
import { findEngine } from "../src/docker/endpoint.js";

/**
 * Whether the engine is Docker 23 or newer (API 1.42). Debian bookworm has 20.10, whose BuildKit of 2020 words its errors in other
 * ways, and has no named contexts and no `COPY --link`: tests that compare with newer ones are left out there, which the gate says;
 * with CI=true they fail.
 */
export const hasNewerEngine: boolean = await connectEngine(findEngine(process.env, { home: homedir() }))
  .engine.ping({ signal: AbortSignal.timeout(30_000) })
  .then(
    ({ apiVersion }) => Number(apiVersion.split(".")[1]) >= 42,
    () => false,
  )
  .then((newer) => newer || process.env["CI"] === "true");
