import type { Part, ServiceView } from "../plan.js";
import type { TreeMap } from "../tree.js";
import { unlessEmpty } from "../tree.js";

/** Sysctls that a kubelet allows by itself: https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/ */
const safeSysctls: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
]);

/** Who the container is and what it may do. */
export function securityRule(view: ServiceView): Part {
  const { service } = view;
  const capabilities = { add: capabilitiesOf(view, "cap_add"), drop: capabilitiesOf(view, "cap_drop") };
  const { fields, annotations } = securityOptions(view);
  if (service.privileged !== undefined) view.say("converted", ["privileged"], "securityContext.privileged");
  if (service.read_only !== undefined)
    view.say(
      "converted",
      ["read_only"],
      service.read_only
        ? "securityContext.readOnlyRootFilesystem, which the dev overlay leaves out where files are synced"
        : "a file system that can be written",
    );
  return {
    containerSecurity: {
      ...userOf(view),
      privileged: service.privileged || undefined,
      readOnlyRootFilesystem: service.read_only || undefined,
      capabilities: unlessEmpty({ add: unlessEmpty(capabilities.add), drop: unlessEmpty(capabilities.drop) }),
      ...fields,
    },
    podAnnotations: annotations,
    podSecurity: { supplementalGroups: unlessEmpty(groupsOf(view)), sysctls: unlessEmpty(sysctlsOf(view)) },
    pod: hostNamespaces(view),
  };
}

function userOf(view: ServiceView): TreeMap {
  const { user } = view.service;
  if (user === undefined) return {};
  if (user === "") {
    view.say("converted", ["user"], "empty: the image's own");
    return {};
  }
  const [uid = "", gid] = user.split(":");
  const known: Readonly<Record<string, number>> = { root: 0 };
  const runAsUser = known[uid] ?? (/^\d+$/.test(uid) ? Number(uid) : undefined);
  const runAsGroup =
    gid === undefined ? undefined : (known[gid] ?? (/^\d+$/.test(gid) ? Number(gid) : undefined));
  if (runAsUser === undefined || (gid !== undefined && runAsGroup === undefined)) {
    view.say(
      "decision",
      ["user"],
      `Kubernetes knows numbers only: look up ${user} in the image's /etc/passwd and set runAsUser, or write USER in its Dockerfile`,
    );
  } else {
    view.say("converted", ["user"], runAsGroup === undefined ? "runAsUser" : "runAsUser and runAsGroup");
  }
  return { runAsUser, runAsGroup };
}

function capabilitiesOf(view: ServiceView, key: "cap_add" | "cap_drop"): readonly string[] {
  const given = view.service[key] ?? [];
  if (given.length > 0)
    view.say("converted", [key], `securityContext.capabilities.${key === "cap_add" ? "add" : "drop"}`);
  return given.map((name) => name.toUpperCase().replace(/^CAP_/, ""));
}

function groupsOf(view: ServiceView): readonly number[] {
  return (view.service.group_add ?? []).flatMap((group, index) => {
    const number = group === "root" ? 0 : Number(group);
    if (Number.isInteger(number)) {
      view.say("converted", ["group_add", index], "supplementalGroups of the pod");
      return [number];
    }
    view.say(
      "decision",
      ["group_add", index],
      `Kubernetes knows numbers only: look up ${group} in the image's /etc/group`,
    );
    return [];
  });
}

function sysctlsOf(view: ServiceView): readonly TreeMap[] {
  return Object.entries(view.service.sysctls ?? {}).map(([name, value]) => {
    const safe = safeSysctls.has(name);
    view.say(
      safe ? "converted" : "decision",
      ["sysctls", name],
      safe
        ? "sysctls of the pod"
        : "sysctls of the pod; not among the safe ones: the kubelet must allow it (--allowed-unsafe-sysctls), or remove it",
    );
    return { name, value };
  });
}

function securityOptions(view: ServiceView): { readonly fields: TreeMap; readonly annotations: TreeMap } {
  let fields: TreeMap = {};
  let annotations: TreeMap = {};
  view.service.security_opt?.forEach((option, index) => {
    const [, name = option, value = ""] = /^([^:=]+)[:=]?(.*)$/s.exec(option) ?? [];
    const path = ["security_opt", index];
    if (name === "no-new-privileges") {
      // The API refuses it beside these rights; with them nothing is left to gain.
      const all =
        view.service.privileged === true ||
        (view.service.cap_add ?? []).some((name) => /^(CAP_)?SYS_ADMIN$/i.test(name));
      if (!all) fields = { ...fields, allowPrivilegeEscalation: value === "false" };
      const text = all
        ? "says nothing beside privileged or SYS_ADMIN: Kubernetes refuses it there"
        : "allowPrivilegeEscalation";
      view.say(all ? "approximated" : "converted", path, text);
    } else if (name === "seccomp" && value === "unconfined") {
      fields = { ...fields, seccompProfile: { type: "Unconfined" } };
      view.say("converted", path, "seccompProfile");
    } else if (name === "seccomp") {
      view.say(
        "decision",
        path,
        "a profile of its own must lie on each node, then: seccompProfile {type: Localhost, localhostProfile: …}",
      );
    } else if (name === "apparmor") {
      const profile = value === "unconfined" ? "unconfined" : `localhost/${value}`;
      annotations = {
        ...annotations,
        [`container.apparmor.security.beta.kubernetes.io/${view.name}`]: profile,
      };
      view.say(
        "approximated",
        path,
        "an annotation that clusters since 1.30 call deprecated in favour of appArmorProfile; the profile must be on the nodes",
      );
    } else if (name === "label") {
      fields = { ...fields, seLinuxOptions: seLinux(fields["seLinuxOptions"], value) };
      view.say("converted", path, "seLinuxOptions");
    } else {
      view.say("dropped", path, `Kubernetes has nothing for ${name}`);
    }
  });
  return { fields, annotations };
}

function seLinux(before: TreeMap[string], value: string): TreeMap {
  const [, key, text] = /^(user|role|type|level):(.+)$/.exec(value) ?? [];
  const known =
    typeof before === "object" && before !== null && !Array.isArray(before) ? (before as TreeMap) : {};
  return key === undefined || text === undefined ? known : { ...known, [key]: text };
}

function hostNamespaces(view: ServiceView): TreeMap {
  const { pid, ipc } = view.service;
  const host = (key: "pid" | "ipc", value: string | undefined, field: string): boolean | undefined => {
    if (value === undefined || value === "") return undefined;
    if (value === "host") view.say("approximated", [key], `${field}: the host is the cluster's node`);
    else if (value === "private" || value === "shareable")
      view.say("converted", [key], "what a pod has anyway");
    else
      view.say(
        "decision",
        [key],
        `to share it with another container, put both into one pod: network_mode: "${value}" does`,
      );
    return value === "host" || undefined;
  };
  return { hostPID: host("pid", pid, "hostPID"), hostIPC: host("ipc", ipc, "hostIPC") };
}
