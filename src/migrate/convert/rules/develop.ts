import type { WatchRule } from "../../compose/model.js";
import type { ServiceView, SyncRulePlan } from "../plan.js";
import { below } from "./binds.js";
import { bindSyncs } from "./volumes.js";

/** Sync rules of an image: from `develop.watch`, and from binds under the build context. */
export function developRules(
  view: ServiceView,
  context: string | undefined,
): { readonly sync: readonly SyncRulePlan[]; readonly rebuild: readonly string[] } {
  const watch = view.service.develop?.watch ?? [];
  const binds = bindSyncs(view);
  const rules = watch.flatMap((rule, index) => watchRule(view, rule, index, context, binds) ?? []);
  const fromBinds = binds
    .filter(({ src, dest }) => !rules.some((rule) => rule.src === src && rule.dest === dest))
    .map(({ src, dest, ignore }): SyncRulePlan => ({ src, dest, ...(ignore.length > 0 ? { ignore } : {}) }));
  const sync = [...fromBinds, ...rules];
  const rebuild = watch.flatMap((rule, index) => rebuildPattern(view, rule, index, context, sync));
  return { sync, rebuild };
}

type Binds = ReturnType<typeof bindSyncs>;

function watchRule(
  view: ServiceView,
  rule: WatchRule,
  index: number,
  context: string | undefined,
  binds: Binds,
): SyncRulePlan | undefined {
  const { path, action, target, exec, include, ignore } = rule;
  if (action === "rebuild") return undefined;
  const src = context === undefined ? undefined : below(context, path);
  if (src === undefined) {
    sayAll(
      view,
      index,
      "decision",
      "it is not under a build context of the service: only files of an image can be synced",
    );
    return undefined;
  }
  const dest = target ?? mountedAt(src, binds);
  if (dest === undefined) {
    sayAll(view, index, "decision", "nothing mounts this path: give it a target, and make it sync+restart");
    return undefined;
  }
  sayAll(view, index, "converted", "sync of the image in devloop.yaml");
  sayDetails(view, rule, index);
  const prefix = src === "." ? "" : `${src}/`;
  const patterns = [
    ...(include && include.length > 0
      ? [`${prefix}**`, ...include.map((pattern) => `!${prefix}${pattern}`)]
      : []),
    ...(ignore ?? []).map((pattern) => `${prefix}${pattern.replace(/^\.?\//, "")}`),
  ];
  const then = thenOf(action, exec);
  return {
    src,
    dest,
    ...(patterns.length > 0 ? { ignore: patterns } : {}),
    ...(then === undefined ? {} : { then }),
  };
}

function thenOf(action: WatchRule["action"], exec: WatchRule["exec"]): SyncRulePlan["then"] {
  if (action === "restart" || action === "sync+restart") return "restart";
  if (action !== "sync+exec" || !exec?.command) return undefined;
  return { exec: exec.command, ...(exec.working_dir === undefined ? {} : { workdir: exec.working_dir }) };
}

function mountedAt(src: string, binds: Binds): string | undefined {
  for (const bind of binds) {
    const path = below(`/${bind.src}`, `/${src}`);
    if (path !== undefined) return path === "." ? bind.dest : `${bind.dest.replace(/\/$/, "")}/${path}`;
  }
  return undefined;
}

/** A change anywhere in the context builds anew, unless a sync rule covers the file: only then is a pattern needed. */
function rebuildPattern(
  view: ServiceView,
  rule: WatchRule,
  index: number,
  context: string | undefined,
  sync: readonly SyncRulePlan[],
): readonly string[] {
  if (rule.action !== "rebuild") return [];
  const src = context === undefined ? undefined : below(context, rule.path);
  if (src === undefined) {
    sayAll(
      view,
      index,
      "decision",
      "it is outside the build context: only what the image is built from can make it build anew",
    );
    return [];
  }
  const covered = sync.some((other) => below(`/${other.src}`, `/${src}`) !== undefined);
  const text = covered
    ? "rebuild of the image in devloop.yaml"
    : "a change in the context builds anew anyway";
  sayAll(view, index, "converted", text);
  sayDetails(view, rule, index);
  return covered ? [src] : [];
}

function sayAll(view: ServiceView, index: number, outcome: "converted" | "decision", text: string): void {
  view.sayAll(outcome, ["develop", "watch", index], text);
}

function sayDetails(
  view: ServiceView,
  { action, include, initial_sync: initial, exec }: WatchRule,
  index: number,
): void {
  const at = (...keys: readonly string[]) => ["develop", "watch", index, ...keys];
  if (include) {
    const text =
      action === "rebuild"
        ? "any change below the path builds anew"
        : "other files below the path build the image anew";
    view.sayAll("approximated", at("include"), text);
  }
  view.sayAll(
    "approximated",
    at("ignore"),
    "a change of these builds the image anew, unless .dockerignore leaves them out",
  );
  if (initial !== undefined)
    view.say("approximated", at("initial_sync"), "not needed: the image is built from the same files");
  if (exec?.user !== undefined)
    view.say("dropped", at("exec", "user"), "a command runs as the container's user");
  if (exec?.privileged !== undefined)
    view.say("dropped", at("exec", "privileged"), "a command has the rights of its container");
  if (exec?.environment) view.sayAll("dropped", at("exec", "environment"), "put env in front of the command");
}
