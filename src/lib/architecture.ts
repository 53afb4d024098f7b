/** An image's machine without its variant: `linux/arm64` of `linux/arm64/v8`. */
export function architecture(platform: string): string {
  return platform.split("/").slice(0, 2).join("/");
}
