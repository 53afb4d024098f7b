import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestCluster } from "../e2e/clusters.js";
import { freePort } from "../e2e/scratch.js";
import { leaveNothing } from "./leave-nothing.js";

/** The monitor example in a directory and a namespace of its own. */
export interface Example extends AsyncDisposable {
  readonly root: string;
  readonly namespace: string;
  /** The local port of monitor-agent's page. */
  readonly port: number;
  /** Where its page's source is. */
  readonly page: string;
  /** Puts a text that was never there before into the page, and returns it. */
  readonly edit: () => Promise<string>;
}

const project = new URL("../../", import.meta.url).pathname;

/** Copies the example. Its images have content of their own, so that removing them afterwards takes none of the user's. */
export async function copyExample(cluster: TestCluster, namespace: string): Promise<Example> {
  const root = await mkdtemp(join(tmpdir(), `devloop-${namespace}-`));
  const ports = { agent: await freePort(), test: await freePort() };
  await cp(join(project, "examples"), join(root, "examples"), { recursive: true, dereference: true });
  const config = await readFile(join(project, "devloop.yaml"), "utf8");
  await writeFile(
    join(root, "devloop.yaml"),
    config
      .replace("name: monitor\n", `name: ${namespace}\n`)
      .replace("monitor-dev", namespace)
      .replace("local: 8888", `local: ${ports.agent}`)
      .replace("local: 3000", `local: ${ports.test}`),
  );
  const overlay = join(root, "examples/monitor/k8s/overlays/dev");
  for (const name of await readdir(overlay)) {
    const path = join(overlay, name);
    await writeFile(path, (await readFile(path, "utf8")).replaceAll("monitor-dev", namespace));
  }
  const services = join(root, "examples/monitor/services");
  const page = join(services, "monitor-agent/src/page/index.html");
  const original = await readFile(page, "utf8");
  const edit = async (): Promise<string> => {
    const stamp = `edit-${randomBytes(6).toString("hex")}`;
    await writeFile(page, original.replace("<h1>", `<h1>${stamp} `));
    return stamp;
  };
  await edit();
  await writeFile(join(services, "monitor-test/src/stamp.js"), `// ${randomBytes(6).toString("hex")}\n`);
  return {
    root,
    namespace,
    port: ports.agent,
    page,
    edit,
    async [Symbol.asyncDispose]() {
      await leaveNothing(cluster, { root, namespace });
      await rm(root, { recursive: true, force: true });
    },
  };
}
