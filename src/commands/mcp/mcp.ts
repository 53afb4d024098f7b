import { once } from "node:events";
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { version } from "../../lib/version.js";
import type { ProjectOptions } from "../session/session.js";
import { callTool, tools } from "./tools.js";

export interface McpOptions extends ProjectOptions {
  readonly signal: AbortSignal;
}

const instructions =
  "devloop keeps a Kubernetes cluster equal to the working tree: it builds, deploys and restarts what an edit touches by itself. After an edit call wait_until_ready; when it says failed, mend what failures names and wait again.";

/** `devloop mcp`: tools over the project's running loop, on standard input and output, until the input ends. https://modelcontextprotocol.io */
export async function mcpCommand(options: McpOptions): Promise<number> {
  const { signal } = options;
  const handle = serveStdio(() => server(options), {
    onerror: (error) => process.stderr.write(`${error.message}\n`),
  });
  // It may have been told to end while it was loaded: an abort is told once.
  if (!signal.aborted)
    await Promise.race([once(process.stdin, "end"), once(process.stdin, "close"), once(signal, "abort")]);
  await handle.close();
  return 0;
}

function server(options: McpOptions): McpServer {
  const mcp = new McpServer({ name: "devloop", version }, { instructions });
  for (const tool of tools) {
    mcp.registerTool(
      tool.name,
      {
        title: tool.title,
        description: tool.description,
        inputSchema: tool.input,
        annotations: {
          readOnlyHint: tool.readOnly,
          destructiveHint: false,
          idempotentHint: tool.readOnly,
          openWorldHint: false,
        },
      },
      async (input, { mcpReq }) => {
        const signal = AbortSignal.any([options.signal, mcpReq.signal]);
        const { text, data, failed } = await callTool(tool, input, { ...options, signal });
        return {
          content: [{ type: "text", text }],
          structuredContent: data,
          ...(failed ? { isError: true } : {}),
        };
      },
    );
  }
  return mcp;
}
