// Compiles the programs that run in containers for the platforms that nodes have, and writes each into a module beside its sources:
// the agent (src/cluster/sync/agent), and the docker target's (src/docker/target/pod).
//   node .config/build-agent.js           needs Debian with gcc and gcc-aarch64-linux-gnu; musl comes from the distribution's packages
//   node .config/build-agent.js --check   fails when the sources are not those that a file was made from
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const run = promisify(execFile);
const root = new URL("../", import.meta.url).pathname;
/** @typedef {{ sources: string, output: string, accessor: string, doc: string }} Program */
const programs = [
  {
    sources: "src/cluster/sync/agent",
    output: "src/cluster/sync/agent-binaries.ts",
    accessor: "agentBinary",
    doc: "The agent for a node's platform, as `linux/amd64` or `linux/arm64/v8`; undefined for one that it was not made for.",
  },
  {
    sources: "src/docker/target/pod",
    output: "src/docker/target/pod-binaries.ts",
    accessor: "podBinary",
    doc: "The pods' own program for an engine's platform, as `linux/amd64`; undefined for one that it was not made for.",
  },
];
const suite = "bookworm";
const platforms = [
  { platform: "linux/amd64", debian: "amd64", triple: "x86_64-linux" },
  { platform: "linux/arm64", debian: "arm64", triple: "aarch64-linux" },
];
const warnings = ["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wmissing-prototypes"];
const flags = [
  ...[
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-Os",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-asynchronous-unwind-tables",
  ],
  ...[
    "-static",
    "-no-pie",
    "-fno-pie",
    "-nostdlib",
    "-Wl,--gc-sections,--build-id=none,-s",
    "-Wl,-z,norelro,-z,noseparate-code",
  ],
];

if (process.argv.includes("--check")) await check();
else await write();

/** @param {Program} program */
async function readSources({ sources }) {
  const directory = join(root, sources);
  const names = (await readdir(directory)).filter((name) => /\.[ch]$/.test(name)).sort();
  const hash = createHash("sha256");
  for (const name of names)
    hash
      .update(`${name}\0`)
      .update(await readFile(join(directory, name)))
      .update("\0");
  const files = names.filter((name) => name.endsWith(".c")).map((name) => join(directory, name));
  return { files, digest: hash.digest("hex") };
}

async function check() {
  for (const program of programs) {
    const written = await readFile(join(root, program.output), "utf8");
    if (written.includes((await readSources(program)).digest)) continue;
    console.error(`${program.output} is not of these sources; run: npm run agent`);
    process.exitCode = 1;
  }
}

async function write() {
  const scratch = await mkdtemp(join(tmpdir(), "devloop-agent-"));
  try {
    const targets = [];
    for (const target of platforms) targets.push({ target, musl: await unpackMusl(target.debian, scratch) });
    for (const program of programs) {
      const { files, digest } = await readSources(program);
      const packed = [];
      for (const { target, musl } of targets) {
        const binary = await compile(target, files, musl, scratch);
        console.log(`${program.sources}, ${target.platform}: ${binary.length} bytes`);
        packed.push(`  "${target.platform}":\n    "${gzipSync(binary, { level: 9 }).toString("base64")}",`);
      }
      await writeFile(join(root, program.output), await module(program, digest, packed));
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * musl's headers and library for an architecture, from its Debian package. What apt keeps for this is not the system's:
 * it need not know the other architecture.
 * @param {string} debian
 * @param {string} scratch
 */
async function unpackMusl(debian, scratch) {
  const apt = join(scratch, debian);
  for (const folder of ["lists/partial", "cache/archives/partial"])
    await mkdir(join(apt, folder), { recursive: true });
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)", `Codename: ${suite}`]);
  const [mirror] = stdout.split("\n");
  if (!mirror) throw new Error(`apt knows no mirror of Debian ${suite}; try: apt-get update`);
  const signed = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg";
  await writeFile(join(apt, "sources.list"), `deb [arch=${debian} ${signed}] ${mirror} ${suite} main\n`);
  await writeFile(join(apt, "status"), "");
  const options = [
    ...[
      `Dir::Etc::SourceList=${apt}/sources.list`,
      "Dir::Etc::SourceParts=/dev/null",
      `Dir::State::Lists=${apt}/lists`,
    ],
    ...[`Dir::State::Status=${apt}/status`, `Dir::Cache=${apt}/cache`, `APT::Architecture=${debian}`],
    ...[`APT::Architectures=${debian}`, "APT::Sandbox::User=root"],
  ].flatMap((option) => ["-o", option]);
  await run("apt-get", ["-qq", ...options, "update"]);
  await run("apt-get", ["-qq", ...options, "download", "musl-dev"], { cwd: apt });
  const file = (await readdir(apt)).find((name) => name.endsWith(".deb"));
  if (file === undefined) throw new Error(`apt gave no musl-dev for ${debian}`);
  await run("dpkg", ["-x", join(apt, file), join(apt, "root")]);
  return join(apt, "root/usr");
}

/**
 * The compiler is glibc's, told to look nowhere but in musl, as musl-gcc does it.
 * @param {{ debian: string, triple: string }} target
 * @param {readonly string[]} files
 * @param {string} musl
 * @param {string} scratch
 */
async function compile({ debian, triple }, files, musl, scratch) {
  const compiler = `${triple}-gnu-gcc`;
  const library = join(musl, "lib", `${triple}-musl`);
  const ask = async (/** @type {string} */ question) => (await run(compiler, [question])).stdout.trim();
  const headers = ["-nostdinc", "-isystem", join(musl, "include", `${triple}-musl`)];
  const own = ["-isystem", await ask("-print-file-name=include")];
  // It would call into glibc to learn what the processor can.
  const machine = debian === "arm64" ? ["-mno-outline-atomics"] : [];
  const begin = [join(library, "crt1.o"), join(library, "crti.o")];
  const end = [join(library, "libc.a"), await ask("-print-libgcc-file-name"), join(library, "crtn.o")];
  const binary = join(scratch, `agent-${debian}`);
  await run(compiler, [
    ...warnings,
    ...flags,
    ...machine,
    ...headers,
    ...own,
    "-o",
    binary,
    ...begin,
    ...files,
    ...end,
  ]);
  return await readFile(binary);
}

/**
 * @param {Program} program
 * @param {string} digest
 * @param {readonly string[]} packed
 */
async function module({ accessor, doc }, digest, packed) {
  // Both have parts of the same library in them.
  const notice = await readFile(join(root, "src/cluster/sync/agent/NOTICE"), "utf8");
  return `/*!
${notice
  .trimEnd()
  .replaceAll(/^(?=.)/gm, " * ")
  .replaceAll(/^$/gm, " *")}
 */
// Made by \`npm run agent\`; not to be edited.
import { gunzipSync } from "node:zlib";

/** The sources that the binaries were made from: ${digest} */
const packed: Readonly<Record<string, string>> = {
${packed.join("\n")}
};

/**
 * ${doc}
 * A static program that needs nothing of the image it runs in.
 */
export function ${accessor}(platform: string): Uint8Array | undefined {
  const text = packed[platform.split("/").slice(0, 2).join("/")];
  return text === undefined ? undefined : gunzipSync(Buffer.from(text, "base64"));
}
`;
}
