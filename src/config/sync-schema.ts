import { z } from "zod";
import { compileIgnore } from "../lib/ignore-file.js";

// What of an image goes into its running containers, and what comes back. Messages: as in schema.ts.

const leavesUpward = String.raw`(?!(?:.*\/)?\.\.(?:\/|$))`;
const contextPath = new RegExp(`^(?!\\/)${leavesUpward}.+$`);
/** Absolute, and not the root in any spelling. */
const containerPath = new RegExp(`^\\/(?!\\/*(?:\\.\\/+)*\\.?$)${leavesUpward}`);
const projectPath = new RegExp(`^(?!\\/)(?!(?:\\.\\/+)*\\.?$)${leavesUpward}.+$`);

const pattern = z.string().min(1).superRefine(checkPattern);
const patterns = z.array(pattern);
const inContainer = z
  .string()
  .regex(containerPath, "must be an absolute path in the container, not / itself, without ..");

const execSchema = z
  .union([
    z.string().regex(/\S/, "must not be empty"),
    z
      .array(z.string())
      .min(1)
      .refine(([program]) => program?.trim() !== "", "needs a program as its first word"),
  ])
  .describe("The command: a list of words, or a text that sh runs.");

const actionSchema = z
  .union([
    z
      .strictObject({
        exec: execSchema,
        workdir: inContainer
          .optional()
          .describe("Directory in the container to run it in; left out: the container's own."),
        when: patterns
          .default([])
          .describe(
            "Runs only when a file that matches one of these changed: .dockerignore syntax, relative to the context.",
          ),
      })
      .describe("Runs a command in the container."),
    z.enum(["nothing", "restart"]),
  ])
  .describe(
    "What follows a change: nothing, restart (the container's process starts anew, the container stays), or exec.",
  );

const ruleSchema = z
  .strictObject({
    src: z
      .string()
      .regex(contextPath, "must lie in the image's context: a path relative to it, without ..")
      .superRefine(checkPattern)
      .describe("Directory, file or pattern, relative to the context."),
    dest: inContainer.describe(
      "Where it goes: an absolute path in the container. For a src that is a file it is the file, unless it ends with a slash.",
    ),
    ignore: patterns
      .default([])
      .describe("Files that build the image instead: .dockerignore syntax, relative to the context."),
    then: actionSchema.default("nothing"),
  })
  .describe("Files that go into the running containers instead of a new image.");

export const syncSchema = z
  .union([
    z.array(ruleSchema),
    z
      .strictObject({
        auto: z.literal(true).describe("Takes the rules from the Dockerfile's COPY and ADD lines."),
        ignore: patterns
          .default([])
          .describe("Files that build the image instead: .dockerignore syntax, relative to the context."),
        then: actionSchema.default("nothing"),
      })
      .describe("Rules from the Dockerfile, with what they have in common."),
    z.enum(["auto"]),
  ])
  .describe("Which changed files go into the running containers: a list of rules, or auto.");

export const rebuildSchema = patterns.describe(
  "Files under a sync rule that need a new image all the same: .dockerignore syntax, relative to the context.",
);

export const pullSchema = z
  .array(
    z
      .strictObject({
        src: inContainer.describe("Directory in the container: an absolute path."),
        dest: z
          .string()
          .regex(
            projectPath,
            "must be a directory inside the project: relative to devloop.yaml, without .., not the project itself",
          )
          .describe("Directory to write to, relative to devloop.yaml, inside the project."),
      })
      .describe("Files that come back from the containers."),
  )
  .describe("Generated files that come back from the containers, one way.");

function checkPattern(text: string, context: z.core.$RefinementCtx): void {
  try {
    compileIgnore([text]);
  } catch {
    context.addIssue({
      code: "custom",
      message: "is a malformed pattern: close every [ with a ], and write a literal \\ as \\\\",
    });
  }
}
