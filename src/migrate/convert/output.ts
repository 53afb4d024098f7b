/** A file to write, below the directory that the conversion is for. */
export interface OutputFile {
  /** With forward slashes. */
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Holds values of secrets: only its owner reads it, git ignores it, and nothing of it is kept elsewhere. */
  readonly secret?: boolean;
}
