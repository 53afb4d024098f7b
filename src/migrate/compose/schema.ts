import { resourceName, serviceShape } from "./schema-service.js";
import {
  choice,
  flag,
  list,
  map,
  options,
  pairs,
  text,
  textOrList,
  texts,
  type DictShape,
  type MapShape,
  type Shape,
} from "./shape.js";

// The top level of a compose file, as the specification's schema (compose-spec.json) has it.

function named(of: MapShape): DictShape {
  return { kind: "dict", key: resourceName, of, ...(of.nullable ? { nulls: "maps" as const } : {}) };
}

/** True, or the old form with the name in it. */
const external: Shape = choice(flag, map({ name: text }));

export const networkShape = map(
  {
    name: text,
    driver: text,
    driver_opts: options,
    ipam: map({
      driver: text,
      config: list(
        map({
          subnet: text,
          ip_range: text,
          gateway: text,
          aux_addresses: { kind: "dict", key: /^.+$/, of: text },
        }),
      ),
      options: { kind: "dict", key: /^.+$/, of: text },
    }),
    external,
    internal: flag,
    enable_ipv4: flag,
    enable_ipv6: flag,
    attachable: flag,
    labels: pairs,
  },
  { nullable: true },
);

export const volumeShape = map(
  { name: text, driver: text, driver_opts: options, external, labels: pairs },
  { nullable: true },
);

export const secretShape = map({
  name: text,
  environment: text,
  file: text,
  external,
  labels: pairs,
  driver: text,
  driver_opts: options,
  template_driver: text,
});

export const configShape = map({
  name: text,
  content: text,
  environment: text,
  file: text,
  external,
  labels: pairs,
  template_driver: text,
});

export const modelShape = map(
  {
    name: text,
    model: text,
    context_size: { kind: "number", whole: true, strict: true },
    runtime_flags: texts,
  },
  { required: ["model"] },
);

export const fileShape = map({
  version: text,
  name: text,
  include: list(
    choice(text, map({ path: textOrList, env_file: textOrList, project_directory: text }, { closed: true })),
  ),
  services: named(serviceShape),
  models: named(modelShape),
  networks: named(networkShape),
  volumes: named(volumeShape),
  secrets: named(secretShape),
  configs: named(configShape),
});
