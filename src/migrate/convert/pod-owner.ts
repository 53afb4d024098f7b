import type { ComposeProject, ComposeService } from "../compose/model.js";

/** The service whose pod a service runs in: its own, or that whose network it shares. */
export function podOwner(key: string, project: ComposeProject): string {
  const owner = hostOf({ service: findService(key, project) });
  return owner === undefined || owner === key ? key : podOwner(owner, project);
}

/** The key of the service whose network this one shares. */
export function hostOf({ service }: { readonly service: ComposeService | undefined }): string | undefined {
  const mode = service?.network_mode;
  return mode?.startsWith("service:") ? mode.slice("service:".length) : undefined;
}

/** A service by its key, whether its profile is on or off. */
export const findService = (key: string, project: ComposeProject): ComposeService | undefined =>
  project.services[key] ?? project.disabledServices[key];
