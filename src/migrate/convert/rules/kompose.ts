import type { Part, ServiceView } from "../plan.js";
import { mergeParts } from "../plan.js";
import { dnsName } from "../names.js";
import { seconds } from "../quantities.js";
import { parseDuration } from "../../compose/quantities.js";
import { splitCommand } from "../../compose/shell-words.js";
import { portProtocol } from "./ports.js";
import type { TreeMap } from "../tree.js";

// Labels of Kompose 1.38 (pkg/loader/compose/utils.go), read so that a project that was tuned for it loses nothing.

type Read = (
  view: ServiceView,
  value: string,
  say: (outcome: "converted" | "approximated" | "decision" | "dropped", text: string) => void,
) => Part;

const nothing: Part = {};

const probeKeys = [
  "http_get_path",
  "http_get_port",
  "tcp_port",
  "test",
  "interval",
  "timeout",
  "retries",
  "start_period",
  "disable",
] as const;

const readers: Readonly<Record<string, Read>> = {
  "kompose.controller.type": (view, value, say) => {
    say("converted", `${view.workload} (${value})`);
    return nothing;
  },
  "kompose.service.type": (_, value, say) => {
    const type = { nodeport: "NodePort", loadbalancer: "LoadBalancer", clusterip: "ClusterIP" }[
      value.toLowerCase()
    ];
    if (value.toLowerCase() === "headless") {
      say("converted", "a Service without an address of its own");
      return { serviceSpec: { clusterIP: "None" } };
    }
    say(
      type === undefined ? "dropped" : "converted",
      type === undefined ? "the Service stays: peers find the service by it" : `type ${type} of the Service`,
    );
    return type === undefined ? nothing : { serviceSpec: { type } };
  },
  "kompose.service.external-traffic-policy": (_, value, say) => {
    say("converted", "externalTrafficPolicy of the Service");
    return { serviceSpec: { externalTrafficPolicy: value.toLowerCase() === "local" ? "Local" : "Cluster" } };
  },
  "kompose.service.nodeport.port": ({ service }, value, say) => {
    const [only, ...others] = service.ports ?? [];
    const one = only !== undefined && others.length === 0 && /^\d+$/.test(value);
    if (!one || !/^nodeport$/i.test(service.labels?.["kompose.service.type"] ?? "")) {
      say(
        "decision",
        `set nodePort: ${value} at the port of the Service that is meant, and its type NodePort`,
      );
      return nothing;
    }
    say("converted", `nodePort ${value} of the Service`);
    const protocol = portProtocol(only.protocol ?? "tcp");
    return { ports: [{ port: only.target, protocol, nodePort: Number(value) }] };
  },
  "kompose.service.name_override": (_, value, say) => {
    say("converted", `a further Service ${dnsName(value)}`);
    return { aliases: [dnsName(value)] };
  },
  "kompose.service.group": (_, value, say) => {
    say("decision", `to put services into one pod, give them network_mode: "service:…" (group ${value})`);
    return nothing;
  },
  "kompose.service.expose": exposed,
  "kompose.service.expose.tls-secret": usedByIngress,
  "kompose.service.expose.ingress-class-name": usedByIngress,
  "kompose.image-pull-secret": (_, value, say) => {
    say("converted", "imagePullSecrets of the pod");
    return { pod: { imagePullSecrets: [{ name: value }] } };
  },
  "kompose.image-pull-policy": (_, value, say) => {
    say("converted", "imagePullPolicy");
    return { container: { imagePullPolicy: value } };
  },
  "kompose.serviceaccount-name": (_, value, say) => {
    say(
      "approximated",
      "serviceAccountName; its token is not mounted: set automountServiceAccountToken if the program calls the API",
    );
    return { pod: { serviceAccountName: value } };
  },
  "kompose.security-context.fsgroup": (_, value, say) => {
    say("converted", "fsGroup of the pod");
    return { podSecurity: { fsGroup: Number(value) } };
  },
  "kompose.init.containers.name": usedByInit,
  "kompose.init.containers.command": usedByInit,
  "kompose.init.containers.image": (view, value, say) => {
    say("converted", "an init container");
    const labels = view.service.labels ?? {};
    const command = labels["kompose.init.containers.command"];
    const words = command === undefined ? undefined : (readList(command) ?? ["/bin/sh", "-c", command]);
    return {
      initContainers: [
        {
          name: dnsName(labels["kompose.init.containers.name"] ?? `${view.name}-init`),
          image: value,
          imagePullPolicy: "IfNotPresent",
          command: words,
        },
      ],
    };
  },
  "kompose.cronjob.schedule": (_, value, say) => {
    say("converted", `a CronJob at ${value}`);
    return nothing;
  },
  "kompose.cronjob.concurrency_policy": workloadField,
  "kompose.cronjob.backoff_limit": workloadField,
  "kompose.hpa.cpu": (view, _, say) => {
    say("converted", "a HorizontalPodAutoscaler");
    return { objects: [autoscaler(view)] };
  },
  "kompose.hpa.replicas.min": usedByAutoscaler,
  "kompose.hpa.replicas.max": usedByAutoscaler,
  "kompose.hpa.memory": (_, __, say) => {
    say("decision", "add a metric of memory to the HorizontalPodAutoscaler (autoscaling/v2)");
    return nothing;
  },
  "kompose.controller.port.expose": (_, __, say) => {
    say("decision", "ports of the node (hostPort) are not taken: a forward leads to the Service");
    return nothing;
  },
  "kompose.volume.size": claimField,
  "kompose.volume.storage-class-name": claimField,
  "kompose.volume.selector": (_, __, say) => {
    say("decision", "write the selector into the claim");
    return nothing;
  },
  "kompose.volume.subpath": (_, __, say) => {
    say("decision", "use volume.subpath of the service's volume");
    return nothing;
  },
  "kompose.volume.type": (_, __, say) => {
    say("dropped", "what takes a volume's place follows from the volume itself");
    return nothing;
  },
  "kompose.ephemeral-storage.request": (_, value, say) => {
    say("decision", `write it into the container: resources.requests.ephemeral-storage: ${value}`);
    return nothing;
  },
  "kompose.ephemeral-storage.limit": (_, value, say) => {
    say("decision", `write it into the container: resources.limits.ephemeral-storage: ${value}`);
    return nothing;
  },
  ...probeReaders("readiness"),
  ...probeReaders("liveness"),
};

export const komposeKeys: ReadonlySet<string> = new Set(Object.keys(readers));

export function komposeRule(view: ServiceView): Part {
  const given = [
    ...Object.entries(view.service.labels ?? {}).map((entry) => ({ entry, at: ["labels"] })),
    ...Object.entries(view.service.deploy?.labels ?? {}).map((entry) => ({
      entry,
      at: ["deploy", "labels"],
    })),
  ];
  return mergeParts([
    ...given.map(
      ({ entry: [key, value], at }) =>
        readers[key]?.(view, value, (outcome, text) => {
          view.say(outcome, [...at, key], `Kompose: ${text}`);
        }) ?? nothing,
    ),
    probesFromLabels(view),
  ]);
}

function usedByIngress(...[view, , say]: Parameters<Read>): Part {
  const used = view.service.labels?.["kompose.service.expose"] !== undefined;
  say(used ? "converted" : "dropped", used ? "the Ingress" : "says nothing without kompose.service.expose");
  return nothing;
}
function usedByInit(...[view, , say]: Parameters<Read>): Part {
  const used = view.service.labels?.["kompose.init.containers.image"] !== undefined;
  say(
    used ? "converted" : "dropped",
    used ? "the init container" : "says nothing without kompose.init.containers.image",
  );
  return nothing;
}
function usedByAutoscaler(...[view, , say]: Parameters<Read>): Part {
  const used = view.service.labels?.["kompose.hpa.cpu"] !== undefined;
  say(
    used ? "converted" : "decision",
    used ? "the HorizontalPodAutoscaler" : "an autoscaler by CPU needs kompose.hpa.cpu",
  );
  return nothing;
}
function workloadField(...[view, , say]: Parameters<Read>): Part {
  const used = view.workload === "CronJob";
  say(used ? "converted" : "dropped", used ? "the CronJob" : "says nothing without kompose.cronjob.schedule");
  return nothing;
}
function claimField(...[, , say]: Parameters<Read>): Part {
  say("converted", "the claims that this service mounts");
  return nothing;
}

function exposed(...[view, value, say]: Parameters<Read>): Part {
  const port = view.service.ports?.[0]?.target ?? Number(view.service.expose?.[0]?.split(/[-/]/)[0] ?? 0);
  if (port === 0) {
    say("decision", "an Ingress needs a port: name one under ports or expose");
    return nothing;
  }
  say("converted", "an Ingress");
  const labels = view.service.labels ?? {};
  const hosts = value.toLowerCase() === "true" ? [undefined] : value.split(",").map((host) => host.trim());
  const tls = labels["kompose.service.expose.tls-secret"];
  const rules = hosts.map((host): TreeMap => {
    const [name, path] = (host ?? "").split(/(?=\/)/s);
    const backend = { service: { name: view.name, port: { number: port } } };
    return {
      host: host === undefined ? undefined : name,
      http: { paths: [{ path: path ?? "/", pathType: "Prefix", backend }] },
    };
  });
  const spec = {
    ingressClassName: labels["kompose.service.expose.ingress-class-name"],
    rules,
    tls:
      tls === undefined
        ? undefined
        : [{ hosts: hosts.flatMap((host) => host?.split("/")[0] ?? []), secretName: tls }],
  };
  return {
    objects: [{ apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: { name: view.name }, spec }],
  };
}

/** autoscaling/v1 is what every cluster knows; it scales by CPU. */
function autoscaler({ name, service, workload }: ServiceView): TreeMap {
  const labels = service.labels ?? {};
  return {
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    metadata: { name },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: workload, name },
      minReplicas: Number(labels["kompose.hpa.replicas.min"] ?? 1),
      maxReplicas: Number(labels["kompose.hpa.replicas.max"] ?? 3),
      targetCPUUtilizationPercentage: Number(labels["kompose.hpa.cpu"]),
    },
  };
}

function probeReaders(kind: "readiness" | "liveness"): Record<string, Read> {
  return Object.fromEntries(
    probeKeys.map((key): [string, Read] => [
      `kompose.service.healthcheck.${kind}.${key}`,
      (_, __, say) => {
        if (key === "start_period")
          say("approximated", "initialDelaySeconds would delay every restart: it is left out");
        else say("converted", `${kind}Probe`);
        return nothing;
      },
    ]),
  );
}

/** Probes that the labels describe; they win over that of `healthcheck`. */
function probesFromLabels(view: ServiceView): Part {
  return { container: { ...probeOf(view, "readiness"), ...probeOf(view, "liveness") } };
}

function probeOf({ service }: ServiceView, kind: "readiness" | "liveness"): TreeMap {
  const get = (key: (typeof probeKeys)[number]) =>
    service.labels?.[`kompose.service.healthcheck.${kind}.${key}`];
  if (get("disable")?.toLowerCase() === "true") return { [`${kind}Probe`]: undefined };
  const [path, port, tcp, test] = [get("http_get_path"), get("http_get_port"), get("tcp_port"), get("test")];
  const words = test === undefined ? undefined : (readList(test) ?? testWords(test));
  if (words?.[0] === "NONE") return { [`${kind}Probe`]: undefined };
  const action =
    path !== undefined && port !== undefined
      ? { httpGet: { path, port: Number(port) } }
      : tcp !== undefined
        ? { tcpSocket: { port: Number(tcp) } }
        : words === undefined
          ? undefined
          : {
              exec: {
                command:
                  words[0] === "CMD-SHELL"
                    ? ["/bin/sh", "-c", words.slice(1).join(" ")]
                    : words[0] === "CMD"
                      ? words.slice(1)
                      : words,
              },
            };
  if (action === undefined) return {};
  const whole = (text: string | undefined) =>
    text === undefined ? undefined : seconds(parseDuration(text) ?? 1000);
  return {
    [`${kind}Probe`]: {
      ...action,
      periodSeconds: whole(get("interval")) ?? 30,
      timeoutSeconds: whole(get("timeout")) ?? 30,
      failureThreshold: Number(get("retries") ?? 3),
    },
  };
}

/** `CMD curl localhost`, `CMD-SHELL a || b`; without such a word the program itself, or what only a shell understands. */
function testWords(text: string): readonly string[] {
  const [, kind, rest = text] = /^\s*(CMD-SHELL|CMD|NONE)(?:\s+(.*))?$/s.exec(text) ?? [];
  const needsShell = kind === "CMD-SHELL" || (kind === undefined && /[|&;<>$`]/.test(rest));
  if (needsShell) return ["CMD-SHELL", rest];
  return [kind ?? "CMD", ...(splitCommand(rest) ?? [rest])];
}

function readList(text: string): readonly string[] | undefined {
  if (!text.trim().startsWith("[")) return undefined;
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read.map(String) : undefined;
  } catch {
    return undefined;
  }
}
