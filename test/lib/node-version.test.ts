import { describe, expect, it } from "vitest";
import { checkNodeVersion } from "../../src/lib/node-version.js";

describe("the version of Node.js", () => {
  it.each(["18.20.4", "20.18.3", "20.9.0"])("%s is too old, and the error says what to do", (version) => {
    expect(() => {
      checkNodeVersion(version);
    }).toThrow(
      expect.objectContaining({
        message: `Node.js ${version} is too old: 20.19 or later is needed`,
        hint: expect.stringContaining("nvm install") as string,
      }),
    );
  });

  it.each(["20.19.0", "22.1.0", "24.0.0"])("%s is not", (version) => {
    checkNodeVersion(version);
  });
});
