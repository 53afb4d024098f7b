import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { helmArguments, shortenHelm } from "../../../src/cluster/render/helm.js";
import { shortenKustomize } from "../../../src/cluster/render/kustomize.js";
import { renderDeploy } from "../../../src/cluster/render/render.js";

const app = path.resolve(import.meta.dirname, "../../fixtures/render/app");
const { signal } = new AbortController();
const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
let bin: string;

beforeEach(async () => {
  bin = await mkdtemp(path.join(tmpdir(), "devloop-render-"));
});
afterEach(async () => {
  await rm(bin, { recursive: true });
});

/** A tool that notes its arguments, prints, and exits. */
async function tool(name: string, { out = "", err = "", code = 0 } = {}): Promise<void> {
  const file = path.join(bin, name);
  await writeFile(path.join(bin, `${name}.out`), out);
  await writeFile(path.join(bin, `${name}.err`), err);
  await writeFile(
    file,
    `#!/bin/sh\nprintf '%s\\n' "$@" > ${file}.args\n/bin/cat ${file}.out\n/bin/cat ${file}.err >&2\nexit ${code}\n`,
  );
  await chmod(file, 0o755);
}
async function argumentsOf(name: string): Promise<string[]> {
  return (await readFile(path.join(bin, `${name}.args`), "utf8")).trim().split("\n");
}

function kustomize(directory = path.join(app, "base")) {
  return renderDeploy(
    { id: "k", specHash: "k", kind: "kustomize", path: directory },
    { signal, env: { PATH: bin } },
  );
}

describe("kustomize", () => {
  it("is asked first, and allowed charts only where a kustomization inflates one", async () => {
    await tool("kustomize", { out: pod });
    const { objects, inputs } = await kustomize();
    expect(objects).toHaveLength(1);
    expect(inputs.files).toContain(path.join(app, "base/web.yaml"));
    expect(await argumentsOf("kustomize")).toEqual(["build", path.join(app, "base")]);
    await kustomize(path.join(app, "overlays/dev"));
    expect(await argumentsOf("kustomize")).toContain("--enable-helm");
  });

  it("is kubectl's where there is no other, and named with how to install it where there is none", async () => {
    await expect(kustomize()).rejects.toMatchObject({
      code: "TOOL_MISSING",
      hint: expect.stringContaining("https://") as unknown,
    });
    await tool("kubectl", { out: pod });
    expect((await kustomize()).objects).toHaveLength(1);
    expect(await argumentsOf("kubectl")).toEqual(["kustomize", path.join(app, "base")]);
  });

  it("gives its reason in the message and all that it said in the detail", async () => {
    const err =
      "Error: accumulating resources: accumulation err='accumulating resources from 'a.yaml': no': must build at directory: no";
    await tool("kustomize", { err, code: 1 });
    await expect(kustomize()).rejects.toMatchObject({
      code: "RENDER_FAILED",
      message: `${path.relative(process.cwd(), path.join(app, "base"))} cannot be rendered: a.yaml: no`,
      detail: err,
    });
  });
});

describe("kustomize's reasons", () => {
  it.each([
    [
      "Error: accumulating resources: accumulation err='accumulating resources from '../base': '/p/base' must resolve to a file': recursed accumulation of path '/p/base': accumulating resources: accumulation err='accumulating resources from 'missing.yaml': evalsymlink failure on '/p/base/missing.yaml' : lstat /p/base/missing.yaml: no such file or directory': must build at directory: not a valid directory: evalsymlink failure on '/p/base/missing.yaml' : lstat /p/base/missing.yaml: no such file or directory",
      "missing.yaml: /p/base/missing.yaml: no such file or directory",
    ],
    [
      "Error: accumulating resources: accumulation err='accumulating resources from '../base': '/p/base' must resolve to a file': recursed accumulation of path '/p/base': accumulating resources: accumulating resources from 'a.yaml': MalformedYAMLError: yaml: line 3: mapping values are not allowed in this context in File: a.yaml",
      "a.yaml: MalformedYAMLError: yaml: line 3: mapping values are not allowed in this context in File: a.yaml",
    ],
    [
      "Error: trouble configuring builtin PatchTransformer with config: `\npath: nope.yaml\n`: failed to get the patch file from path(nope.yaml): evalsymlink failure on '/p/o/nope.yaml' : lstat /p/o/nope.yaml: no such file or directory",
      "PatchTransformer: failed to get the patch file from path(nope.yaml): /p/o/nope.yaml: no such file or directory",
    ],
    [
      "# Warning: 'bases' is deprecated.\nError: invalid Kustomization: json: unknown field \"foo\"",
      'invalid Kustomization: json: unknown field "foo"',
    ],
    [
      "Error: unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '/p'",
      "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '/p'",
    ],
    [
      "Error: accumulating resources: accumulation err='accumulating resources from '../base/a.yaml': security; file '/p/base/a.yaml' is not in or below '/p/o'': must build at directory: '/p/base/a.yaml': file is not directory",
      "../base/a.yaml: security; file '/p/base/a.yaml' is not in or below '/p/o'",
    ],
    [
      "E1120 23:20:30.894545 1 run.go:72] \"command failed\" err=\"accumulating resources: accumulation err='accumulating resources from 'x': gone': must build at directory: no\"",
      "x: gone",
    ],
  ])("%#: keeps the sentence that matters", (output, expected) => {
    expect(shortenKustomize(output)).toBe(expected);
  });
});

describe("helm", () => {
  const spec = {
    id: "h",
    specHash: "h",
    kind: "helm",
    release: "web",
    chart: "oci://example.com/web",
    values: ["/v.yaml"],
    set: { "image.tag": "1,2", list: "{a,b}" },
  } as const;

  it("gets release, chart, namespace, values and settings as arguments", () => {
    expect(helmArguments(spec, "dev")).toEqual(
      ["template", "web", "oci://example.com/web", "--include-crds", "--namespace", "dev"].concat([
        "--values",
        "/v.yaml",
        "--set",
        "image.tag=1\\,2",
        "--set",
        "list={a,b}",
      ]),
    );
    expect(helmArguments({ ...spec, namespace: "own" }, "dev")).toContain("own");
  });

  it("has its hooks left out, with a note for each", async () => {
    const hook =
      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n---\n";
    await tool("helm", { out: hook + pod });
    const { objects, notes } = await renderDeploy(spec, { signal, env: { PATH: bin } });
    expect(objects.map((object) => object.metadata.name)).toEqual(["a"]);
    expect(notes).toEqual(["left out Pod/t: helm hooks (test) are not run"]);
  });

  it("says what helm said, and how to get missing dependencies", async () => {
    const err =
      "WARNING: kubeconfig is group-readable\nError: An error occurred while checking for chart dependencies. found in Chart.yaml, but missing in charts/ directory: redis\n\nUse --debug flag to render out invalid YAML\n";
    await tool("helm", { err, code: 1 });
    await expect(renderDeploy(spec, { signal, env: { PATH: bin } })).rejects.toMatchObject({
      code: "RENDER_FAILED",
      hint: "helm dependency build oci://example.com/web",
    });
    expect(shortenHelm(err)).toBe(
      "An error occurred while checking for chart dependencies. found in Chart.yaml, but missing in charts/ directory: redis",
    );
  });
});
