import {
  entriesOf,
  get,
  getEntry,
  isNull,
  itemsOf,
  textOf,
  type MapNode,
  type Node,
  type Place,
  type Report,
} from "./node.js";
import { isTrue } from "./defaults.js";
import { numberOf } from "./check-scalar.js";
import { findCycle } from "./cycles.js";
import { checkLimits } from "./limits.js";
import { decimal } from "./shape.js";
import { nearest } from "../../lib/nearest.js";

/** The services of a project, by whether their profiles are on. */
export interface Split {
  readonly enabled: ReadonlyMap<string, MapNode>;
  readonly disabled: ReadonlyMap<string, MapNode>;
}

/** Reports what cannot be together, as Compose does (compose-go's loader/validate.go), for the services that are on. */
export function checkConsistency(root: MapNode, split: Split, report: Report): void {
  for (const [name, service] of split.enabled) new ServiceCheck(root, split, name, service, report).run();
  for (const [name, { key, value }] of entriesOf(get(root, "secrets"))) {
    if (isTrue(get(value, "external")) || get(value, "file") || get(value, "environment")) continue;
    if (key.kind === "file") report(key, `secrets.${name}: needs one of file or environment`);
  }
  const cycle = findCycle(split.enabled);
  if (cycle) report(cycle.place, `services depend on each other in a circle: ${cycle.names.join(" → ")}`);
}

class ServiceCheck {
  constructor(
    private readonly root: MapNode,
    private readonly split: Split,
    private readonly name: string,
    private readonly service: MapNode,
    private readonly report: Report,
  ) {}

  run(): void {
    const { service } = this;
    if (!this.#has("build") && !this.#text("image") && !this.#has("provider")) {
      this.#say(service, "has neither image nor build");
    }
    this.#checkBuild();
    this.#checkNetworks();
    this.#checkHealth();
    this.#checkDependencies();
    this.#checkReferences();
    this.#checkScale();
    checkLimits(service, (node, message) => {
      this.#say(node, message);
    });
    this.#checkWatch();
    this.#checkMounts();
  }

  #has(key: string): boolean {
    const value = get(this.service, key);
    return value !== undefined && !isNull(value);
  }

  #text(...path: readonly string[]): string | undefined {
    return textOf(get(this.service, ...path)) || undefined;
  }

  #say(node: Node, message: string, at = "", hint?: string): void {
    const own = getEntry(get(this.root, "services"), this.name)?.key;
    const places: readonly (Place | undefined)[] = [node.place, this.service.place, own];
    const place = places.find((candidate) => candidate?.kind === "file");
    if (place) this.report(place, `services.${this.name}${at}: ${message}`, hint);
  }

  #checkBuild(): void {
    const build = get(this.service, "build");
    if (build?.kind !== "map") return;
    const inline = get(build, "dockerfile_inline");
    if (inline && this.#text("build", "dockerfile") && this.#text("build", "dockerfile_inline")) {
      this.#say(inline, "has dockerfile and dockerfile_inline; only one can stand", ".build");
    }
    for (const [context, { value }] of entriesOf(get(build, "additional_contexts"))) {
      const target = /^service:(.*)$/s.exec(textOf(value) ?? "")?.[1];
      if (target === undefined) continue;
      const at = `.build.additional_contexts.${context}`;
      const other = this.split.enabled.get(target);
      if (!other) this.#say(value, `there is no service ${target}`, at);
      else if (!get(other, "build")) this.#say(value, `service ${target} is not built`, at);
    }
    const platform = this.#text("platform");
    const platforms = itemsOf(get(build, "platforms"));
    if (platform === undefined || platforms.length === 0) return;
    if (platforms.some((other) => textOf(other) === platform)) return;
    this.#say(
      get(build, "platforms") ?? build,
      `does not have the service's platform ${platform}`,
      ".build.platforms",
    );
  }

  #checkNetworks(): void {
    const mode = get(this.service, "network_mode");
    const networks = entriesOf(get(this.service, "networks"));
    if (mode && this.#text("network_mode") && networks.size > 0) {
      this.#say(mode, "has network_mode and networks; only one can stand");
    }
    for (const [network, { key, value }] of networks) {
      this.#mustHave("networks", network, { ...value, place: key }, ".networks");
    }
    const shared = /^service:(.*)$/s.exec(this.#text("network_mode") ?? "")?.[1];
    if (mode && shared !== undefined && !this.split.enabled.has(shared)) {
      this.#say(mode, `there is no service ${shared}`, ".network_mode", this.#profileHint(shared));
    }
  }

  #mustHave(kind: string, name: string, node: Node, at: string): void {
    const known = entriesOf(get(this.root, kind));
    if (known.has(name)) return;
    const near = nearest(name, known.keys());
    const suggestion = near === undefined ? "" : ` — did you mean ${near}?`;
    this.#say(node, `${name} is not defined in ${kind}${suggestion}`, at);
  }

  #checkHealth(): void {
    const [first] = itemsOf(get(this.service, "healthcheck", "test"));
    const word = textOf(first);
    if (first === undefined || word === undefined || ["CMD", "CMD-SHELL", "NONE"].includes(word)) return;
    this.#say(first, `must begin with CMD, CMD-SHELL or NONE, not "${word}"`, ".healthcheck.test");
  }

  #checkDependencies(): void {
    for (const [name, { key, value }] of entriesOf(get(this.service, "depends_on"))) {
      if (this.split.enabled.has(name)) continue;
      if (this.split.disabled.has(name) && !isTrue(get(value, "required"))) continue;
      const hint = this.#profileHint(name);
      const near = nearest(name, this.split.enabled.keys());
      const message =
        hint === undefined
          ? `there is no service ${name}${near === undefined ? "" : ` — did you mean ${near}?`}`
          : `service ${name} is off, as its profiles are`;
      this.#say({ ...value, place: key.kind === "file" ? key : value.place }, message, ".depends_on", hint);
    }
  }

  #profileHint(name: string): string | undefined {
    const profiles = itemsOf(get(this.split.disabled.get(name), "profiles")).map(
      (profile) => textOf(profile) ?? "",
    );
    if (profiles.length === 0) return undefined;
    return `turn it on with --profile ${profiles[0] ?? ""}, or set required: false where it is depended on`;
  }

  #checkReferences(): void {
    for (const [index, volume] of itemsOf(get(this.service, "volumes")).entries()) {
      const source = textOf(get(volume, "source")) ?? "";
      if (textOf(get(volume, "type")) !== "volume" || source === "") continue;
      this.#mustHave("volumes", source, get(volume, "source") ?? volume, `.volumes[${index}]`);
    }
    const mounts = [
      ["secrets", itemsOf(get(this.service, "build", "secrets")), ".build.secrets"],
      ["configs", itemsOf(get(this.service, "configs")), ".configs"],
      ["secrets", itemsOf(get(this.service, "secrets")), ".secrets"],
    ] as const;
    for (const [kind, items, at] of mounts) {
      for (const [index, mount] of items.entries()) {
        const source = get(mount, "source");
        this.#mustHave(kind, textOf(source) ?? "", source ?? mount, `${at}[${index}]`);
      }
    }
    for (const [model, { key, value }] of entriesOf(get(this.service, "models"))) {
      this.#mustHave("models", model, { ...value, place: key }, ".models");
    }
  }

  #checkScale(): void {
    const [scale, replicas] = [get(this.service, "scale"), get(this.service, "deploy", "replicas")];
    const [own, deployed] = [numberIn(scale), numberIn(replicas)];
    if (scale && own !== undefined && deployed !== undefined && own !== deployed) {
      this.#say(scale, `scale is ${own} and deploy.replicas is ${deployed}; both must say the same`);
    }
    if (scale && own !== undefined && own < 0) this.#say(scale, "must not be below 0", ".scale");
    if (replicas && deployed !== undefined && deployed < 0) {
      this.#say(replicas, "must not be below 0", ".deploy.replicas");
    }
    const name = get(this.service, "container_name");
    if (name && this.#text("container_name") && (own ?? deployed ?? 1) > 1) {
      const key = own === undefined ? "deploy.replicas" : "scale";
      this.#say(name, `has container_name and ${key} above 1, but such a name is one container's`);
    }
  }

  #checkWatch(): void {
    for (const [index, rule] of itemsOf(get(this.service, "develop", "watch")).entries()) {
      const action = textOf(get(rule, "action")) ?? "";
      if (textOf(get(rule, "target")) || action === "rebuild" || action === "restart") continue;
      this.#say(rule, `action ${action} needs a target`, `.develop.watch[${index}]`);
    }
  }

  #checkMounts(): void {
    const taken = new Map<string, string>();
    const mount = (target: string, node: Node, at: string): void => {
      const before = taken.get(target);
      if (before !== undefined) this.#say(node, `${target} is mounted already by ${before}`, `.${at}`);
      else taken.set(target, at);
    };
    for (const [index, item] of itemsOf(get(this.service, "tmpfs")).entries()) {
      mount((textOf(item) ?? "").split(":")[0] ?? "", item, `tmpfs[${index}]`);
    }
    for (const [index, volume] of itemsOf(get(this.service, "volumes")).entries()) {
      mount(textOf(get(volume, "target")) ?? "", volume, `volumes[${index}]`);
    }
  }
}

function numberIn(node: Node | undefined): number | undefined {
  return node?.kind === "scalar" ? numberOf(node, decimal) : undefined;
}
