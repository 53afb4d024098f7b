import type { ModelPath } from "../compose/model.js";
import type { Ledger } from "./ledger.js";
import { dnsName, resolvesAs } from "./names.js";
import { peerPorts } from "./peer-ports.js";
import {
  mergeParts,
  type Part,
  type Rule,
  type ServicePortPlan,
  type ServiceView,
  type ServiceResult,
} from "./plan.js";
import { buildRule } from "./rules/build.js";
import { commandRule } from "./rules/command.js";
import { dependsRule, waiterName } from "./rules/depends.js";
import { environmentRule } from "./rules/environment.js";
import { filesRule } from "./rules/files.js";
import { healthRule } from "./rules/health.js";
import { komposeRule } from "./rules/kompose.js";
import { labelsRule } from "./rules/labels.js";
import { lifecycleRule, quote } from "./rules/lifecycle.js";
import { networkRule } from "./rules/network.js";
import { placementRule } from "./rules/placement.js";
import { plainSecretsRule } from "./rules/plain-secrets.js";
import { portsRule } from "./rules/ports.js";
import { reportOnlyRule } from "./rules/report-only.js";
import { resourcesRule } from "./rules/resources.js";
import { securityRule } from "./rules/security.js";
import { volumesFromRule } from "./rules/volumes-from.js";
import { volumesRule } from "./rules/volumes.js";
import { workloadKind, workloadObject } from "./rules/workload.js";
import { aliasLabels, servicesOf } from "./services-of.js";
import { noted, objectId, textAt, unlessEmpty, type Tree, type TreeMap } from "./tree.js";

const rules: readonly Rule[] = [
  commandRule,
  environmentRule,
  portsRule,
  volumesRule,
  volumesFromRule,
  filesRule,
  healthRule,
  lifecycleRule,
  resourcesRule,
  securityRule,
  networkRule,
  buildRule,
  placementRule,
  labelsRule,
  dependsRule,
  plainSecretsRule,
  reportOnlyRule,
  komposeRule,
];

export function convertService(view: ServiceView): ServiceResult {
  const { service, project } = view;
  sayIdentity(view);
  if (service.profiles)
    view.say("converted", ["profiles"], `a component of each: ${service.profiles.join(", ")}`);
  if (service.provider) {
    view.sayAll(
      "decision",
      ["provider"],
      `a thing that ${service.provider.type} provides: deploy it, and give its address to those that depend on it`,
    );
  }
  return { view, part: mergeParts(rules.map((rule) => rule(view))) };

  function sayIdentity({ names }: ServiceView): void {
    if (view.name !== view.key) {
      const outcome = resolvesAs(view.key, view.name) ? "converted" : "approximated";
      const where = "hosts in environments and commands are rewritten, each reported where it stands";
      const text = outcome === "converted" ? "DNS knows no case" : where;
      view.say(outcome, [], `called ${view.name} in the cluster: ${text}`);
    }
    if (service.container_name === undefined) return;
    const shown = names.renamedHosts.get(service.container_name);
    view.say(
      "converted",
      ["container_name"],
      shown === undefined
        ? "a Service of that name: pods get names of their own"
        : `no DNS name: ${shown} takes its place in ${project.name}`,
    );
  }
}

export function viewOf(
  base: Omit<ServiceView, "say" | "sayAll" | "key" | "name" | "service" | "workload"> & {
    readonly ledger: Ledger;
  },
  key: string,
): ServiceView {
  const { project, ledger } = base;
  const section = key in project.services ? "services" : "disabledServices";
  const service = project.services[key] ?? project.disabledServices[key];
  if (!service) throw new Error(`no service ${key}`);
  const at = (path: ModelPath): ModelPath => [section, key, ...path];
  return {
    ...base,
    key,
    name: base.names.services.get(key) ?? dnsName(key),
    service,
    workload: workloadKind(key, service, project),
    say: (outcome, path, text) => {
      ledger.say(outcome, at(path), text);
    },
    sayAll: (outcome, path, text) => {
      ledger.sayAll(outcome, at(path), text);
    },
  };
}

/** The objects of a service; `joined` are services whose containers share its network, and so its pod. */
export function serviceObjects(
  { view, part }: ServiceResult,
  joined: readonly ServiceResult[],
): readonly TreeMap[] {
  const all = [{ view, part }, ...joined];
  const keepsData = all.some((each) =>
    each.part.volumes.some((volume) => volume["persistentVolumeClaim"] !== undefined),
  );
  const ports = peerPorts(
    view,
    joined.map((each) => each.view.key),
    all.flatMap((each) => each.part.ports),
  );
  if (view.service.provider) return [];
  const workload = workloadObject(view, podTemplate(view, part, joined, ports), {
    labels: part.labels,
    annotations: part.annotations,
    keepsData,
  });
  // Each container of a pod that waits brings the account it waits with.
  const further = new Map(
    all.flatMap((each) => each.part.objects).map((object) => [objectId(object), object]),
  );
  return [workload, ...servicesOf({ view, part }, joined, ports), ...further.values()];
}

function podTemplate(
  view: ServiceView,
  part: Required<Part>,
  joined: readonly ServiceResult[],
  ports: readonly ServicePortPlan[],
): TreeMap {
  const { name, workload } = view;
  const own = containerOf(view, part, ports);
  const others = joined.map((each) => containerOf(each.view, each.part, [], `${each.view.name}-`));
  const volumes = [
    ...part.volumes,
    ...joined.flatMap((each) => each.part.volumes.map((volume) => renamed(volume, `${each.view.name}-`))),
  ];
  const ends = workload === "Job" || workload === "CronJob";
  const waits = volumes.some((volume) => volume["name"] === "devloop-wait-token");
  return {
    metadata: {
      labels: {
        "app.kubernetes.io/name": name,
        ...aliasLabels(
          view,
          joined.map((each) => each.view.key),
        ),
        ...part.podLabels,
      },
      annotations: unlessEmpty(part.podAnnotations),
    },
    spec: {
      automountServiceAccountToken: noted("A container of Compose has no account with the cluster.", false),
      serviceAccountName: waits ? waiterName : undefined,
      enableServiceLinks: noted(
        "Or the cluster would set variables such as DB_PORT=tcp://… for each Service.",
        false,
      ),
      restartPolicy: ends
        ? view.service.restart?.startsWith("on-failure")
          ? "OnFailure"
          : "Never"
        : undefined,
      ...part.pod,
      securityContext: unlessEmpty(part.podSecurity),
      initContainers: unlessEmpty([
        ...part.initContainers,
        ...copyUp(view, part),
        ...joined.flatMap((each) => [
          ...each.part.initContainers,
          ...copyUp(each.view, each.part, `${each.view.name}-`),
        ]),
      ]),
      containers: [own, ...others],
      volumes: unlessEmpty(uniqueVolumes(volumes)),
    },
  };
}

function containerOf(
  { name }: ServiceView,
  part: Required<Part>,
  ports: readonly ServicePortPlan[],
  prefix = "",
): TreeMap {
  const { image, imagePullPolicy, command, args, workingDir, ...rest } = part.container;
  return {
    name,
    image,
    imagePullPolicy,
    command,
    args,
    workingDir,
    ports: unlessEmpty(
      ports.map((port) => ({ name: port.name, containerPort: port.port, protocol: port.protocol })),
    ),
    envFrom: unlessEmpty(part.envFrom),
    env: unlessEmpty(part.env),
    ...rest,
    securityContext: unlessEmpty(part.containerSecurity),
    volumeMounts: unlessEmpty(part.mounts.map((mount) => renamed(mount, prefix))),
  };
}

/** A claim has the name of its volume in every pod; anything else of a joined service gets its name before it. */
function renamed(volume: TreeMap, prefix: string): TreeMap {
  const name = textAt(volume, "name") ?? "";
  return prefix === "" || name === "devloop-wait-token"
    ? volume
    : { ...volume, name: dnsName(`${prefix}${name}`) };
}

function uniqueVolumes(volumes: readonly TreeMap[]): readonly TreeMap[] {
  return [...new Map(volumes.map((volume) => [textAt(volume, "name"), volume])).values()];
}

/** Docker fills an empty volume with what the image has at that path, owner and modes too. */
function copyUp(view: ServiceView, part: Required<Part>, prefix = ""): readonly Tree[] {
  if (part.copyUps.length === 0) return [];
  const script = [
    "copy() {",
    '  [ -d "$1" ] || return 0',
    '  [ -z "$(ls -A "$2" | grep -vx lost+found)" ] || return 0',
    '  cp -a "$1/." "$2/"',
    "}",
    ...part.copyUps.map(({ path }, index) => `copy ${quote(path)} /devloop-copy-up/${index}`),
  ];
  return [
    noted(
      "Docker fills an empty volume with what the image has there. Set nocopy, or remove this, if the image has no shell.",
      {
        name: dnsName(`${view.name}-copy-up`),
        image: part.container["image"],
        imagePullPolicy: part.container["imagePullPolicy"],
        command: ["/bin/sh", "-ec", script.join("\n")],
        securityContext: { runAsUser: noted("To keep the owners of what is copied.", 0) },
        volumeMounts: part.copyUps.map(({ volume, subPath }, index) =>
          renamed({ name: volume, mountPath: `/devloop-copy-up/${index}`, subPath }, prefix),
        ),
      },
    ),
  ];
}
