import type { DeviceRequest } from "../../compose/model.js";
import type { ModelPath } from "../../compose/model.js";
import type { Part, ServiceView } from "../plan.js";
import { cpu, memory } from "../quantities.js";
import { unlessEmpty } from "../tree.js";

/** `deploy.resources`, `cpus`, `mem_*`, `cpu_*`, `gpus`: limits and requests of the container. */
export function resourcesRule(view: ServiceView): Part {
  const { service } = view;
  const { limits, reservations } = service.deploy?.resources ?? {};
  const quota = quotaOf(view);
  const cpus = limits?.cpus ?? service.cpus ?? quota;
  const bytes = limits?.memory ?? service.mem_limit;
  const reserved = reservations?.memory ?? service.mem_reservation;
  const wanted = reservations?.cpus;
  sayLimits(view);
  const gpus = [
    ...(service.gpus ?? []).map((request, index) => gpuCount(view, request, ["gpus", index])),
    ...(reservations?.devices ?? []).map((request, index) =>
      gpuCount(view, request, ["deploy", "resources", "reservations", "devices", index]),
    ),
  ].reduce((sum, count) => sum + count, 0);
  const limit = {
    cpu: cpus === undefined || cpus <= 0 ? undefined : cpu(cpus),
    memory: bytes === undefined || bytes <= 0 ? undefined : memory(bytes),
    "nvidia.com/gpu": gpus === 0 ? undefined : String(gpus),
  };
  // Kubernetes takes a limit for the request where there is none: Compose reserves nothing unless told to.
  const request = {
    cpu: wanted ? cpu(Math.min(wanted, cpus && cpus > 0 ? cpus : wanted)) : limit.cpu && "0",
    memory: reserved
      ? memory(Math.min(reserved, bytes && bytes > 0 ? bytes : reserved))
      : limit.memory && "0",
  };
  const resources = { limits: unlessEmpty(limit), requests: unlessEmpty(request) };
  return { container: { resources: unlessEmpty(resources) } };
}

function sayLimits(view: ServiceView): void {
  const { service } = view;
  const { limits, reservations } = service.deploy?.resources ?? {};
  const at = (...keys: ModelPath): ModelPath => ["deploy", "resources", ...keys];
  const told: readonly (readonly [unknown, ModelPath, string])[] = [
    [limits?.cpus, at("limits", "cpus"), "resources.limits.cpu"],
    [limits?.memory, at("limits", "memory"), "resources.limits.memory"],
    [reservations?.cpus, at("reservations", "cpus"), "resources.requests.cpu"],
    [reservations?.memory, at("reservations", "memory"), "resources.requests.memory"],
    [service.cpus, ["cpus"], "resources.limits.cpu"],
    [service.mem_limit, ["mem_limit"], "resources.limits.memory"],
    [service.mem_reservation, ["mem_reservation"], "resources.requests.memory"],
  ];
  for (const [value, path, text] of told) if (value !== undefined) view.say("converted", path, text);
  if (limits?.pids !== undefined) {
    view.say(
      "dropped",
      at("limits", "pids"),
      "a pod has no limit of processes of its own: the kubelet's podPidsLimit holds for all",
    );
  }
  reservations?.generic_resources?.forEach((_, index) => {
    view.sayAll(
      "decision",
      at("reservations", "generic_resources", index),
      "an extended resource needs a device plugin: name it under resources.limits once it is there",
    );
  });
}

/** `cpu_quota` of a `cpu_period` (100 ms when not given) is a number of cores. */
function quotaOf(view: ServiceView): number | undefined {
  const { cpu_quota: quota, cpu_period: period, cpus } = view.service;
  const text = cpus === undefined ? "resources.limits.cpu" : "cpus says it already";
  if (quota !== undefined) view.say("converted", ["cpu_quota"], text);
  if (period !== undefined) {
    view.say(
      quota === undefined ? "dropped" : "converted",
      ["cpu_period"],
      quota === undefined ? "says nothing without cpu_quota" : text,
    );
  }
  return quota === undefined || quota <= 0 ? undefined : quota / (period ?? 100_000);
}

function gpuCount(view: ServiceView, request: DeviceRequest, path: ModelPath): number {
  const { driver, capabilities = [], count, device_ids: ids } = request;
  if (driver !== undefined && driver !== "nvidia" && driver !== "") {
    view.sayAll(
      "decision",
      path,
      `devices of the driver ${driver} need a device plugin: name its resource under resources.limits`,
    );
    return 0;
  }
  if (driver === undefined && path[0] !== "gpus" && !capabilities.includes("gpu")) {
    view.sayAll(
      "decision",
      path,
      `a device with ${capabilities.join(", ")} needs a device plugin: name its resource under resources.limits`,
    );
    return 0;
  }
  view.sayAll("approximated", path, "limit nvidia.com/gpu: needs the NVIDIA device plugin in the cluster");
  if (ids !== undefined)
    view.say(
      "approximated",
      [...path, "device_ids"],
      "as many GPUs, whichever: single ones cannot be asked for",
    );
  if (count === -1) view.say("approximated", [...path, "count"], "1: Kubernetes has no word for all");
  return ids?.length ?? (count === undefined || count < 1 ? 1 : count);
}
