import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream";
import { extract } from "tar-stream";
import { z } from "zod";
import { EngineStatusError } from "../engine/container-engine.js";
import type { EngineApi } from "./dial.js";

/** A container as the engine tells of it, as far as pods need it. */
export interface InspectedContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly state: {
    /** created, running, exited, dead, removing, paused, restarting. */
    readonly status: string;
    readonly running: boolean;
    readonly exitCode: number;
    readonly oomKilled: boolean;
    readonly error: string;
    readonly startedAt: string;
    readonly finishedAt: string;
  };
  /** How often the engine itself has started it anew. */
  readonly restarts: number;
  /** Addresses by the network's name. */
  readonly addresses: Readonly<Record<string, string>>;
  /** The names that lead to it in its networks, beside its own. */
  readonly aliases: readonly string[];
}

interface Options {
  readonly signal: AbortSignal;
}

/** What the docker target does with containers, networks and volumes. Throws as `engineApi` does; what is gone already is gone. */
export interface EngineContainers {
  list(labels: readonly string[], options: Options): Promise<readonly InspectedContainer[]>;
  inspect(id: string, options: Options): Promise<InspectedContainer | undefined>;
  /** Takes the engine's own body of a new container; returns its id. */
  create(name: string, body: object, options: Options): Promise<string>;
  start(id: string, options: Options): Promise<void>;
  /** Tells it to stop, and kills it after so many seconds. */
  stop(id: string, seconds: number, options: Options): Promise<void>;
  /** With its anonymous volumes; it is gone then. */
  remove(id: string, options: Options): Promise<void>;
  /** Resolves once it does not run. */
  wait(id: string, options: Options): Promise<void>;
  /** Sets what the engine does by itself when it ends. */
  setRestart(id: string, policy: { readonly Name: string }, options: Options): Promise<void>;
  /** Unpacks a tar archive below a path of it; it need not run. */
  put(id: string, path: string, archive: Buffer, options: Options): Promise<void>;
  /** A small file of it; undefined where it is not there. */
  readFile(id: string, path: string, options: Options): Promise<Buffer | undefined>;
  /** Both outputs, multiplexed; with a time stamp before each line. */
  logs(
    id: string,
    query: Readonly<Record<string, string | number | boolean>>,
    options: Options,
  ): Promise<IncomingMessage | undefined>;
  ensureNetwork(name: string, labels: Readonly<Record<string, string>>, options: Options): Promise<void>;
  /** The addresses of a network on the engine's machine; none for one that is not there. */
  gateways(name: string, options: Options): Promise<readonly string[]>;
  networks(label: string, options: Options): Promise<readonly string[]>;
  removeNetwork(name: string, options: Options): Promise<void>;
  ensureVolume(name: string, labels: Readonly<Record<string, string>>, options: Options): Promise<void>;
  volumes(
    label: string,
    options: Options,
  ): Promise<readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[]>;
  removeVolume(name: string, options: Options): Promise<void>;
  /** Fetches an image from its registry. Throws EngineStatusError with the engine's words. */
  pull(ref: string, auth: string | undefined, options: Options): Promise<void>;
  /** Makes an image of a tar archive of its files. */
  importImage(ref: string, archive: Buffer, options: Options): Promise<void>;
}

/** How long somebody else's removal of a container is waited for, in ms. */
const removalMs = 10_000;

export function engineContainers(api: EngineApi): EngineContainers {
  const at = (id: string, rest: string): string => `/containers/${encodeURIComponent(id)}${rest}`;
  const inspect = async (id: string, { signal }: Options): Promise<InspectedContainer | undefined> => {
    const found = await orUndefined(api.json("GET", at(id, "/json"), { signal }));
    return found === undefined ? undefined : toContainer(inspectAnswer.parse(found));
  };
  return {
    inspect,
    async list(labels, { signal }) {
      const query = { all: true, filters: { label: labels } };
      const found = z
        .array(z.object({ Id: z.string() }))
        .parse(await api.json("GET", "/containers/json", { signal, query }));
      // Each container is asked for at the same time, and what is done with them is as well.
      setMaxListeners(0, signal);
      const all = await Promise.all(found.map(({ Id }) => inspect(Id, { signal })));
      return all.filter((each) => each !== undefined);
    },
    async create(name, body, { signal }) {
      const made = await api.json("POST", "/containers/create", { signal, query: { name }, body });
      return z.object({ Id: z.string() }).parse(made).Id;
    },
    async start(id, { signal }) {
      await unlessDone(api.json("POST", at(id, "/start"), { signal }));
    },
    async stop(id, seconds, { signal }) {
      await orUndefined(unlessDone(api.json("POST", at(id, "/stop"), { signal, query: { t: seconds } })));
    },
    async remove(id, { signal }) {
      const removed = api.json("DELETE", at(id, ""), { signal, query: { force: true, v: true } });
      await orUndefined(removed).catch(async (error: unknown) => {
        if (!(error instanceof EngineStatusError) || error.status !== 409) throw error;
        // Somebody is removing it already: until that is done its name is taken.
        const until = AbortSignal.any([signal, AbortSignal.timeout(removalMs)]);
        const gone = api.json("POST", at(id, "/wait"), { signal: until, query: { condition: "removed" } });
        await orUndefined(gone).catch(() => {
          signal.throwIfAborted();
        });
      });
    },
    async wait(id, { signal }) {
      await orUndefined(api.json("POST", at(id, "/wait"), { signal, query: { condition: "not-running" } }));
    },
    async setRestart(id, policy, { signal }) {
      await orUndefined(
        api.json("POST", at(id, "/update"), {
          signal,
          body: { RestartPolicy: { ...policy, MaximumRetryCount: 0 } },
        }),
      );
    },
    async put(id, path, archive, { signal }) {
      await api.upload("PUT", at(id, "/archive"), archive, { signal, query: { path } });
    },
    async readFile(id, path, { signal }) {
      const answer = await orUndefined(api.stream("GET", at(id, "/archive"), { signal, query: { path } }));
      if (!answer) return undefined;
      const entries = extract();
      // What fails ends the entries as well.
      pipeline(answer, entries, () => undefined);
      const chunks: Buffer[] = [];
      for await (const entry of entries) for await (const chunk of entry) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
    logs: (id, query, { signal }) =>
      orUndefined(
        api.stream("GET", at(id, "/logs"), {
          signal,
          query: { stdout: true, stderr: true, timestamps: true, ...query },
        }),
      ),
    async ensureNetwork(name, labels, { signal }) {
      if ((await orUndefined(api.json("GET", `/networks/${name}`, { signal }))) !== undefined) return;
      const body = { Name: name, Labels: labels };
      await unlessThere(api.json("POST", "/networks/create", { signal, body }));
    },
    async gateways(name, { signal }) {
      const found = await orUndefined(api.json("GET", `/networks/${name}`, { signal }));
      const { Config } = networkAnswer.parse(found ?? {}).IPAM;
      return (Config ?? []).flatMap(({ Gateway }) => (Gateway ? [Gateway.replace(/\/.*$/, "")] : []));
    },
    async networks(label, { signal }) {
      const query = { filters: { label: [label] } };
      const found = z
        .array(z.object({ Name: z.string() }))
        .parse(await api.json("GET", "/networks", { signal, query }));
      return found.map(({ Name }) => Name);
    },
    async removeNetwork(name, { signal }) {
      await orUndefined(api.json("DELETE", `/networks/${name}`, { signal }));
    },
    async ensureVolume(name, labels, { signal }) {
      await api.json("POST", "/volumes/create", { signal, body: { Name: name, Labels: labels } });
    },
    async volumes(label, { signal }) {
      const query = { filters: { label: [label] } };
      const found = z
        .object({
          Volumes: z
            .array(z.object({ Name: z.string(), Labels: z.record(z.string(), z.string()).nullish() }))
            .nullish(),
        })
        .parse(await api.json("GET", "/volumes", { signal, query }));
      return (found.Volumes ?? []).map(({ Name, Labels }) => ({ name: Name, labels: Labels ?? {} }));
    },
    async removeVolume(name, { signal }) {
      await orUndefined(api.json("DELETE", `/volumes/${encodeURIComponent(name)}`, { signal }));
    },
    async pull(ref, auth, { signal }) {
      const answer = await api.stream("POST", "/images/create", {
        signal,
        query: { fromImage: ref },
        ...(auth === undefined ? {} : { headers: { "X-Registry-Auth": auth } }),
      });
      let text = "";
      for await (const chunk of answer) text += (chunk as Buffer).toString("utf8");
      // A failure comes as a line of an answer that is well by its status.
      const failed = /"error"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
      if (failed !== undefined) throw new EngineStatusError(500, JSON.parse(failed) as string);
    },
    async importImage(ref, archive, { signal }) {
      const colon = ref.lastIndexOf(":");
      const query = { fromSrc: "-", repo: ref.slice(0, colon), tag: ref.slice(colon + 1) };
      await api.upload("POST", "/images/create", archive, { signal, query });
    },
  };
}

async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof EngineStatusError && error.status === 404) return undefined;
    throw error;
  }
}

/** The engine says "not modified" of what runs, or is stopped, already. */
async function unlessDone(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof EngineStatusError) || error.status !== 304) throw error;
  }
}

async function unlessThere(made: Promise<unknown>): Promise<void> {
  try {
    await made;
  } catch (error) {
    if (!(error instanceof EngineStatusError) || error.status !== 409) throw error;
  }
}

const networkAnswer = z.object({
  IPAM: z
    .object({ Config: z.array(z.object({ Gateway: z.string().nullish() })).nullish() })
    .default({ Config: [] }),
});

const inspectAnswer = z.object({
  Id: z.string(),
  Name: z.string(),
  Created: z.string(),
  RestartCount: z.number().default(0),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
  State: z.object({
    Status: z.string(),
    Running: z.boolean(),
    ExitCode: z.number(),
    OOMKilled: z.boolean().default(false),
    Error: z.string().default(""),
    StartedAt: z.string(),
    FinishedAt: z.string(),
  }),
  NetworkSettings: z.object({
    Networks: z
      .record(
        z.string(),
        z.object({ IPAddress: z.string().nullish(), Aliases: z.array(z.string()).nullish() }).nullish(),
      )
      .nullish(),
  }),
});

function toContainer({
  Id,
  Name,
  Created,
  RestartCount,
  Config,
  State,
  NetworkSettings,
}: z.infer<typeof inspectAnswer>): InspectedContainer {
  return {
    id: Id,
    name: Name.replace(/^\//, ""),
    labels: Config.Labels ?? {},
    createdAt: Created,
    restarts: RestartCount,
    state: {
      status: State.Status,
      running: State.Running,
      exitCode: State.ExitCode,
      oomKilled: State.OOMKilled,
      error: State.Error,
      startedAt: State.StartedAt,
      finishedAt: State.FinishedAt,
    },
    addresses: Object.fromEntries(
      Object.entries(NetworkSettings.Networks ?? {}).flatMap(([name, network]) =>
        network?.IPAddress ? [[name, network.IPAddress]] : [],
      ),
    ),
    aliases: Object.values(NetworkSettings.Networks ?? {}).flatMap((network) => network?.Aliases ?? []),
  };
}
