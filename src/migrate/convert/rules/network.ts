import { isIP } from "node:net";
import { originOf } from "../../compose/model.js";
import { dnsName, resolvesAs } from "../names.js";
import type { Part, ServiceView } from "../plan.js";
import { noted, unlessEmpty, type TreeMap } from "../tree.js";

/** How the service is reached and reaches others, but for its ports and further names. */
export function networkRule(view: ServiceView): Part {
  const pod = { ...modeOf(view), ...hostAliases(view), ...hostName(view) };
  const dns = dnsConfig(view);
  sayNetworks(view);
  // With name servers of its own, the cluster's are asked no more, as in Compose; else they are, and these are added.
  return {
    pod: {
      ...pod,
      ...(dns["nameservers"] ? { dnsPolicy: "None" } : {}),
      dnsConfig: unlessEmpty(dns),
    },
    objects: view.service.network_mode === "none" ? [denyAll(view)] : [],
  };
}

function modeOf(view: ServiceView): TreeMap {
  const mode = view.service.network_mode;
  if (mode === undefined || mode.startsWith("service:")) return {};
  if (mode === "host") {
    view.say(
      "approximated",
      ["network_mode"],
      "hostNetwork: the host is the cluster's node, not this machine",
    );
    return { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" };
  }
  if (mode === "none") {
    view.say(
      "approximated",
      ["network_mode"],
      "a NetworkPolicy that lets nothing in or out; the cluster's network must honour policies",
    );
  } else if (mode === "bridge" || mode === "default") {
    view.say(
      "approximated",
      ["network_mode"],
      "the cluster's network: by name, which Docker's bridge does not give",
    );
  } else {
    view.say(
      "decision",
      ["network_mode"],
      `${mode} is not of this project: a pod can share its network only with containers of its own`,
    );
  }
  return {};
}

function denyAll({ name }: ServiceView): TreeMap {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `${name}-no-network` },
    spec: noted("From network_mode: none. No rule: nothing is let in or out.", {
      podSelector: { matchLabels: { "app.kubernetes.io/name": name } },
      policyTypes: ["Ingress", "Egress"],
    }),
  };
}

function hostAliases(view: ServiceView): TreeMap {
  const byAddress = new Map<string, string[]>();
  for (const [host, addresses] of Object.entries(view.service.extra_hosts ?? {})) {
    addresses.forEach((address, index) => {
      if (isIP(address) !== 0) {
        byAddress.set(address, [...(byAddress.get(address) ?? []), host]);
        view.say("converted", ["extra_hosts", host, index], "hostAliases of the pod");
      } else {
        const where =
          address === "host-gateway"
            ? "this machine, as k3d calls it host.k3d.internal; with kind, the gateway of Docker's network kind"
            : `${address} is no address`;
        view.say(
          "decision",
          ["extra_hosts", host, index],
          `${where}: add it under hostAliases in the dev overlay`,
        );
      }
    });
  }
  const aliases = [...byAddress].map(([ip, hostnames]) => ({ ip, hostnames: [...new Set(hostnames)] }));
  return { hostAliases: unlessEmpty(aliases) };
}

function hostName(view: ServiceView): TreeMap {
  const { hostname, domainname } = view.service;
  if (domainname !== undefined) {
    view.say(
      "dropped",
      ["domainname"],
      "a pod's domain is the cluster's: <subdomain>.<namespace>.svc.cluster.local",
    );
  }
  if (hostname === undefined) return {};
  const [label = ""] = hostname.toLowerCase().split(".");
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(label)) {
    view.say(
      "dropped",
      ["hostname"],
      `a pod's host name cannot be ${hostname}: lower-case letters, digits and "-" only`,
    );
    return {};
  }
  const cut = label !== hostname;
  view.say(
    cut ? "approximated" : "converted",
    ["hostname"],
    cut ? `hostname ${label} of the pod` : "hostname of the pod, and a Service of that name",
  );
  return { hostname: label };
}

function dnsConfig(view: ServiceView): TreeMap {
  const { dns, dns_search: search, dns_opt: options } = view.service;
  const servers = (dns ?? []).filter((server) => isIP(server) !== 0);
  if (dns)
    view.say(
      "approximated",
      ["dns"],
      "dnsConfig.nameservers: these alone are asked, so that Services are found only if they know them",
    );
  if (search) view.say("converted", ["dns_search"], "dnsConfig.searches");
  if (options) view.say("converted", ["dns_opt"], "dnsConfig.options");
  return {
    nameservers: unlessEmpty(servers),
    searches: unlessEmpty((search ?? []).filter((domain) => domain !== ".")),
    options: unlessEmpty(
      (options ?? []).map((option) => {
        const [name = option, value] = option.split(":");
        return { name, value };
      }),
    ),
  };
}

function sayNetworks(view: ServiceView): void {
  for (const [network, settings] of Object.entries(view.service.networks ?? {})) {
    const path = ["networks", network];
    const isDeclared = originOf(view.project, ["networks", network])?.kind === "file";
    view.say("converted", path, isDeclared ? `see network ${network}` : "the network that Compose makes");
    for (const key of Object.keys(settings ?? {})) {
      if (key === "aliases") sayAliases(view, network, settings?.aliases ?? []);
      else if (!key.startsWith("x-"))
        view.sayAll(
          "dropped",
          [...path, key],
          "addresses, interfaces and gateways of pods are the cluster's",
        );
    }
  }
}

/** A Service's name has no dots and no underscores: peers that look such an alias up find nothing. */
function sayAliases(view: ServiceView, network: string, aliases: readonly string[]): void {
  const lost = aliases.filter((alias) => !resolvesAs(alias, dnsName(alias)));
  const others = new Set([...view.names.services.values()].filter((name) => name !== view.name));
  const taken = aliases.filter((alias) => others.has(dnsName(alias)) && !lost.includes(alias));
  if (taken.length > 0)
    view.say(
      "decision",
      ["networks", network, "aliases"],
      `${taken.join(", ")}: a service of that name is there, which alone is found by it`,
    );
  view.say(
    lost.length > 0 ? "decision" : "converted",
    ["networks", network, "aliases"],
    lost.length > 0
      ? `${lost.join(", ")}: no Service can be called so; have peers look up ${view.name}`
      : "a Service of each name, or none needed",
  );
}
