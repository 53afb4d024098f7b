import {
  bytes,
  choice,
  command,
  decimal,
  duration,
  environmentPairs,
  flag,
  hosts,
  list,
  map,
  oneOf,
  pairs,
  text,
  textOrList,
  texts,
  uniqueTexts,
  whole,
  type DictShape,
  type Shape,
} from "./shape.js";

// The parts of a service that have many keys of their own.

export const ulimits: DictShape = {
  kind: "dict",
  key: /^[a-z]+$/,
  of: choice(whole, map({ soft: whole, hard: whole }, { required: ["soft", "hard"] })),
};
export const fileMounts = list(
  choice(text, map({ source: text, target: text, uid: text, gid: text, mode: { kind: "mode" } })),
);
/** post_start, pre_stop, and exec of develop.watch. */
export const hook = map(
  { command, user: text, privileged: flag, working_dir: text, environment: environmentPairs },
  { required: ["command"] },
);
export const deviceRequest = (required: readonly string[]): Shape =>
  map(
    {
      capabilities: uniqueTexts,
      count: { kind: "number", whole: true, words: { all: -1 } },
      device_ids: uniqueTexts,
      driver: text,
      options: pairs,
    },
    { required },
  );
const updateConfig = map({
  parallelism: whole,
  delay: duration,
  failure_action: text,
  monitor: duration,
  max_failure_ratio: decimal,
  order: oneOf("start-first", "stop-first"),
});
const limit = list(map({ path: text, rate: bytes }, { closed: true }));

export const build = choice(
  text,
  map({
    context: text,
    dockerfile: text,
    dockerfile_inline: text,
    entitlements: texts,
    args: environmentPairs,
    ssh: environmentPairs,
    labels: pairs,
    cache_from: texts,
    cache_to: texts,
    no_cache: flag,
    additional_contexts: pairs,
    network: text,
    provenance: { kind: "text", also: ["boolean"] },
    sbom: { kind: "text", also: ["boolean"] },
    pull: flag,
    target: text,
    shm_size: bytes,
    extra_hosts: hosts,
    isolation: text,
    privileged: flag,
    secrets: fileMounts,
    tags: texts,
    ulimits,
    platforms: texts,
  }),
);

export const blkio = map(
  {
    device_read_bps: limit,
    device_read_iops: limit,
    device_write_bps: limit,
    device_write_iops: limit,
    weight: whole,
    weight_device: list(map({ path: text, weight: whole }, { closed: true })),
  },
  { closed: true },
);

export const deploy = map(
  {
    mode: text,
    endpoint_mode: text,
    replicas: whole,
    labels: pairs,
    rollback_config: updateConfig,
    update_config: updateConfig,
    resources: map({
      limits: map({ cpus: decimal, memory: { kind: "bytes", textOnly: true }, pids: whole }),
      reservations: map({
        cpus: decimal,
        memory: { kind: "bytes", textOnly: true },
        generic_resources: list(map({ discrete_resource_spec: map({ kind: text, value: whole }) })),
        devices: list(deviceRequest(["capabilities"])),
      }),
    }),
    restart_policy: map({ condition: text, delay: duration, max_attempts: whole, window: duration }),
    placement: map({
      constraints: texts,
      preferences: list(map({ spread: text })),
      max_replicas_per_node: whole,
    }),
  },
  { nullable: true },
);

export const develop = map(
  {
    watch: list(
      map(
        {
          ignore: textOrList,
          include: textOrList,
          path: text,
          action: oneOf("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
          target: text,
          exec: hook,
          initial_sync: { kind: "flag", strict: true },
        },
        { required: ["path", "action"] },
      ),
    ),
  },
  { nullable: true },
);
