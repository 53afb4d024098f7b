/** What went wrong, as a stable word: shown in JSON output, listed in docs/errors.md. */
export type ErrorCode =
  | "USAGE"
  | "CONFIG_INVALID"
  | "CONFIG_NOT_FOUND"
  | "COMPOSE_INVALID"
  | "COMPOSE_NOT_FOUND"
  | "ENGINE_UNREACHABLE"
  | "BUILD_FAILED"
  | "BASE_IMAGE_MISSING"
  | "DOCKERFILE_INVALID"
  | "CONTEXT_UNREADABLE"
  | "LOAD_FAILED"
  | "NODE_UNREACHABLE"
  | "CLUSTER_NOT_FOUND"
  | "CLUSTER_NOT_ALLOWED"
  | "CLUSTER_UNREACHABLE"
  | "CLUSTER_CHANGED"
  | "RENDER_FAILED"
  | "IMAGE_NOT_USED"
  | "APPLY_FAILED"
  | "APPLY_CONFLICT"
  | "SYNC_FAILED"
  | "SYNC_INTERRUPTED"
  | "FORWARD_FAILED"
  | "PORT_TAKEN"
  | "WATCH_LIMIT"
  | "TOOL_MISSING"
  | "TOOL_FAILED"
  | "LOOP_RUNNING"
  | "LOOP_NOT_RUNNING"
  | "LOOP_SILENT"
  | "LOOP_VERSION"
  | "SOCKET_REFUSED"
  | "NOT_FOUND"
  | "TIMEOUT"
  | "INTERNAL";

/**
 * A failure that the user can act on. The message names the thing in the user's words; the hint says what to do now,
 * in one line that can be pasted where there is a command. Anything else that is thrown is a bug.
 */
export class DevloopError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Further lines to show under the message, such as a tool's own output. */
  readonly detail: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown; detail?: string | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "DevloopError";
    this.code = code;
    this.hint = options.hint;
    this.detail = options.detail;
  }
}

/** A failure as plain data: what state, events and JSON output carry. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly detail?: string;
}

/** Turns whatever was thrown into data. What is not a DevloopError is a bug: code INTERNAL, its stack as the detail. */
export function toFailure(error: unknown): Failure {
  if (error instanceof DevloopError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.detail === undefined ? {} : { detail: error.detail }),
    };
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: "INTERNAL", message: errorText(error), ...(stack === undefined ? {} : { detail: stack }) };
}

/** The message of anything that can be thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
