import { describe, expect, it } from "vitest";
import { age, bytes, count, duration, shortDigest } from "../../src/lib/format.js";
import { localUrl } from "../../src/lib/local-url.js";
import { shortName } from "../../src/lib/short-name.js";

describe("duration", () => {
  it.each([
    [0, "0 ms"],
    [340, "340 ms"],
    [999.6, "1.0 s"],
    [1840, "1.8 s"],
    [9949, "9.9 s"],
    [9950, "10 s"],
    [12_400, "12 s"],
    [59_600, "1 min"],
    [125_000, "2 min 5 s"],
    [3_600_000, "1 h"],
    [3_900_000, "1 h 5 min"],
    [-5, "0 ms"],
  ])("%d ms is %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
});

describe("age", () => {
  it.each([
    [0, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [7_200_000, "2h"],
    [3 * 86_400_000, "3d"],
    [-1000, "0s"],
  ])("%d ms is %s", (ms, text) => {
    expect(age(ms)).toBe(text);
  });
});

it.each([
  [512, "512 B"],
  [999, "999 B"],
  [3400, "3.4 kB"],
  [213_000_000, "213 MB"],
  [999_600, "1.0 MB"],
  [2_500_000_000, "2.5 GB"],
])("%d bytes are %s", (amount, text) => {
  expect(bytes(amount)).toBe(text);
});

it("counts things in the singular and the plural", () => {
  expect([count(0, "pod"), count(1, "pod"), count(2, "pod")]).toEqual(["0 pods", "1 pod", "2 pods"]);
});

it("shortens a digest to its first 12 hex digits", () => {
  expect(shortDigest("sha256:0123456789abcdef")).toBe("0123456789ab");
});

it("names an image by its last part, unless another ends alike", () => {
  expect(shortName("ghcr.io/acme/web", ["ghcr.io/acme/web", "api"])).toBe("web");
  expect(shortName("ghcr.io/acme/web", ["ghcr.io/acme/web", "other/web"])).toBe("ghcr.io/acme/web");
});

it("gives a listener's address as one clicks it", () => {
  expect(localUrl({ host: "127.0.0.1", port: 8888 })).toBe("http://localhost:8888");
  expect(localUrl({ host: "192.168.1.5", port: 80 })).toBe("http://192.168.1.5:80");
  expect(localUrl({ host: "fe80::1", port: 80 })).toBe("http://[fe80::1]:80");
});
