/** What a renderer is given beside the deploy itself. */
export interface RenderOptions {
  readonly signal: AbortSignal;
  /** Added to the environment of the tool that renders. */
  readonly env?: Readonly<Record<string, string>>;
  /** What a chart sees as its release's namespace when the deploy names none. */
  readonly namespace?: string;
}
