import type { KubeObject } from "../../engine/kube-object.js";

interface BackendRef {
  readonly service?: {
    readonly name: string;
    readonly port?: { readonly number?: number; readonly name?: string };
  };
}
interface IngressObject extends KubeObject {
  readonly spec?: {
    readonly defaultBackend?: BackendRef;
    readonly rules?: readonly {
      readonly host?: string;
      readonly http?: {
        readonly paths?: readonly {
          readonly path?: string;
          readonly pathType?: string;
          readonly backend: BackendRef;
        }[];
      };
    }[];
  };
}

/** Where a request goes: a Service's port, by its number or its name. */
export interface IngressBackend {
  readonly namespace: string;
  readonly service: string;
  readonly port: number | string;
}
/** One path of one rule. */
export interface IngressRoute {
  /** `shop.example`, `*.example`; empty for every host. */
  readonly host: string;
  readonly path: string;
  readonly exact: boolean;
  readonly backend: IngressBackend;
}

/** The routes of all Ingresses, the one that counts first before the others: exact hosts, then longer paths, exact ones first. */
export function ingressRoutes(objects: readonly KubeObject[]): readonly IngressRoute[] {
  const routes = (objects as readonly IngressObject[]).flatMap(({ metadata, spec }) => {
    const to = (ref: BackendRef | undefined): IngressBackend[] =>
      ref?.service
        ? [
            {
              namespace: metadata.namespace ?? "",
              service: ref.service.name,
              port: ref.service.port?.number ?? ref.service.port?.name ?? 80,
            },
          ]
        : [];
    const rules = (spec?.rules ?? []).flatMap(({ host = "", http }) =>
      (http?.paths ?? []).flatMap(({ path = "/", pathType, backend }) =>
        to(backend).map((each): IngressRoute => ({
          host: host.toLowerCase(),
          path,
          exact: pathType === "Exact",
          backend: each,
        })),
      ),
    );
    const rest = to(spec?.defaultBackend).map((backend): IngressRoute => ({
      host: "",
      path: "/",
      exact: false,
      backend,
    }));
    return [...rules, ...rest];
  });
  const rank = ({ host }: IngressRoute): number => (host === "" ? 2 : host.startsWith("*.") ? 1 : 0);
  return routes.toSorted(
    (a, b) => rank(a) - rank(b) || b.path.length - a.path.length || Number(b.exact) - Number(a.exact),
  );
}

/** The route of a request by its Host header and its path; undefined where there is none. */
export function routeFor(
  routes: readonly IngressRoute[],
  hostHeader: string,
  target: string,
): IngressRoute | undefined {
  const host = hostHeader.replace(/:\d+$/, "").toLowerCase();
  const path = target.replace(/[?#].*$/, "");
  return routes.find((route) => servesHost(route.host, host) && servesPath(route, path));
}

function servesHost(rule: string, host: string): boolean {
  if (rule === "" || rule === host) return true;
  // One label stands for the star.
  return rule.startsWith("*.") && host.slice(host.indexOf(".")) === rule.slice(1) && host.includes(".");
}

/** By whole elements: /shop serves /shop/tea, and not /shopping. */
function servesPath({ path, exact }: IngressRoute, asked: string): boolean {
  if (asked === path) return true;
  if (exact) return false;
  return asked.startsWith(path.endsWith("/") ? path : `${path}/`) || `${asked}/` === path;
}
