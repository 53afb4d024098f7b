/** The address of a local listener, as one clicks it: every-address and loopback listeners answer on localhost. */
export function localUrl({ host, port }: { readonly host: string; readonly port: number }): string {
  const shown = ["127.0.0.1", "0.0.0.0", "::", "::1"].includes(host) ? "localhost" : host;
  return `http://${shown.includes(":") ? `[${shown}]` : shown}:${port}`;
}
