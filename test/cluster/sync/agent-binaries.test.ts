import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { agentBinary } from "../../../src/cluster/sync/agent-binaries.js";

describe("the agent's binaries", () => {
  it("are made from the sources as they are", async () => {
    const checked = promisify(execFile)(process.execPath, [".config/build-agent.js", "--check"]);
    await expect(checked).resolves.toMatchObject({ stderr: "" });
  });

  it.each([
    ["linux/amd64", 62],
    ["linux/arm64", 183],
    ["linux/arm64/v8", 183],
  ])("are static programs for %s, small enough to travel in a ConfigMap", (platform, machine) => {
    const binary = Buffer.from(agentBinary(platform)!);
    expect(binary.length).toBeLessThan(60_000);
    expect(binary.subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    expect(binary.readUInt16LE(18)).toBe(machine);
    const headers = Array.from({ length: binary.readUInt16LE(56) }, (_, index) =>
      binary.readUInt32LE(Number(binary.readBigUInt64LE(32)) + index * binary.readUInt16LE(54)),
    );
    // Neither PT_DYNAMIC nor PT_INTERP: no loader, no library.
    expect(headers.filter((type) => type === 2 || type === 3)).toEqual([]);
  });

  it("are not there for other platforms", () => {
    expect(agentBinary("windows/amd64")).toBeUndefined();
    expect(agentBinary("linux")).toBeUndefined();
  });
});
