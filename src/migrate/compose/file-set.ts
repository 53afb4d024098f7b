import type { Environment } from "./environment.js";
import type { UnsetVariable, Via } from "./model.js";
import type { Absorb, Report } from "./node.js";
import type { ProblemList } from "./problems.js";
import type { FileReader } from "./read-file.js";

/** What holds for all files of a load. */
export interface LoadRun {
  readonly reader: FileReader;
  readonly problems: ProblemList;
  readonly report: Report;
  readonly absorb: Absorb;
  readonly unset: (variable: UnsetVariable) => void;
  readonly home: string | undefined;
  readonly signal: AbortSignal;
}

/** What holds for the files of a project, or of one that it includes. */
export interface FileSet {
  readonly run: LoadRun;
  /** Absolute path of the directory that relative paths count from. */
  readonly directory: string;
  readonly environment: Environment;
  /** How the files came here: what included them. */
  readonly via: readonly Via[];
  /** The index of the first file, or the one that all files belong to. */
  readonly layer: (index: number) => number;
  /** The files that include these, outermost first. */
  readonly including: readonly string[];
}
