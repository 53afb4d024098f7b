import fc from "fast-check";

/** One instruction of a Dockerfile. Names and contents are few, so that steps meet, undo each other, and are cached. */
export type Step = string;

const name = fc.constantFrom(
  "a",
  "b",
  "with space",
  "größe",
  "-dash",
  "'quote'",
  "new\nline",
  "l".repeat(120),
  `${"deep/".repeat(12)}file`,
  ".hidden",
);
const directory = fc.constantFrom("/data", "/data/sub", "/etc/app", "/var/lib/x");
const path = fc.tuple(directory, name).map(([parent, child]) => `${parent}/${child}`);
const word = fc.constantFrom("one", "two", "three");
const mode = fc.constantFrom("0644", "0755", "0600", "0000", "4755", "2755", "1777", "0444");
const owner = fc.constantFrom("0:0", "1000:1000", "12345:54321", "2000000:2000000");

const run = (...commands: readonly string[]): Step =>
  `RUN ${JSON.stringify(["sh", "-c", commands.join(" && ")])}`;
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const parentOf = (at: string): string => quoted(at.slice(0, at.lastIndexOf("/")) || "/");
const make = (at: string): string => `rm -rf ${quoted(at)} && mkdir -p ${parentOf(at)}`;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(path, word).map(([at, text]) => run(make(at), `echo ${text} > ${quoted(at)}`)),
  },
  // A file of some size, the same each time.
  fc
    .tuple(path, fc.nat(200))
    .map(([at, kilobytes]) => run(make(at), `seq 1 ${kilobytes * 200} > ${quoted(at)}`)),
  // A whiteout, of a file or a whole tree.
  { weight: 3, arbitrary: path.map((at) => run(`rm -rf ${quoted(at)}`)) },
  directory.map((at) => run(`rm -rf ${at}`)),
  // An opaque directory: gone and made again in one layer.
  {
    weight: 2,
    arbitrary: fc
      .tuple(directory, word)
      .map(([at, text]) => run(`rm -rf ${at}`, `mkdir -p ${at}`, `echo ${text} > ${at}/fresh`)),
  },
  // A file where a directory was, and the other way round.
  directory.map((at) => run(make(at), `echo file > ${at}`, `rm ${at}`, `mkdir ${at}`)),
  // Hard links: within a layer, and to a file of a layer below.
  fc
    .tuple(path, word)
    .map(([at, text]) =>
      run(make(at), `echo ${text} > ${quoted(at)}`, `rm -f /linked`, `ln ${quoted(at)} /linked`),
    ),
  fc.constant(run(`rm -f /sh`, `ln /bin/sh /sh`)),
  fc
    .tuple(path, fc.constantFrom("/etc/passwd", "../up", "/nowhere", "a"))
    .map(([at, to]) => run(make(at), `ln -s ${to} ${quoted(at)}`)),
  fc
    .tuple(path, mode)
    .map(([at, bits]) => run(make(at), `echo mode > ${quoted(at)}`, `chmod ${bits} ${quoted(at)}`)),
  fc
    .tuple(path, owner)
    .map(([at, who]) => run(make(at), `echo owner > ${quoted(at)}`, `chown ${who} ${quoted(at)}`)),
  fc.tuple(directory, mode).map(([at, bits]) => run(`mkdir -p ${at}`, `chmod ${bits} ${at}`)),
  path.map((at) => run(make(at), `mkfifo ${quoted(at)}`)),
  path.map((at) => run(make(at), `echo old > ${quoted(at)}`, `touch -d '1999-12-31 23:59:58' ${quoted(at)}`)),
  // Layers without entries, and steps without a layer.
  fc.constant("RUN true"),
  word.map((text) => `ENV WORD=${text}`),
  directory.map((at) => `WORKDIR ${at}`),
  word.map((text) => `LABEL word=${text}`),
);

/** A build's steps after an earlier build's. */
export type Change = (steps: readonly Step[]) => readonly Step[];

/** What a person does to a Dockerfile: adds at the end, changes one, takes one out, swaps two, begins anew. */
export const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(step, { minLength: 1, maxLength: 3 })
      .map((more): Change => (steps) => [...steps, ...more]),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(), step).map(
      ([at, one]): Change =>
        (steps) =>
          steps.with(at % steps.length, one),
    ),
  },
  fc.nat().map(
    (at): Change =>
      (steps) =>
        steps.length > 1 ? steps.toSpliced(at % steps.length, 1) : steps,
  ),
  fc.nat().map((at): Change => (steps) => {
    const [one, other] = [at % steps.length, (at + 1) % steps.length];
    return steps.with(one, steps[other]!).with(other, steps[one]!);
  }),
  fc.array(step, { minLength: 1, maxLength: 4 }).map(
    (steps): Change =>
      () =>
        steps,
  ),
  // A layer with extended attributes: where the engine cannot set them, the stage that does so fails the build.
  fc.constant((steps: readonly Step[]): readonly Step[] => [
    ...steps,
    "COPY --from=attributes /attributes /attributes",
  ]),
);

/** The stage that gives a file a capability, as an extended attribute: with what Debian's smallest image has. */
export const attributesStage: readonly string[] = [
  "FROM debian:bookworm-slim AS attributes",
  String.raw`RUN mkdir /attributes && echo x > /attributes/file && case $(uname -m) in x86_64) n=188 ;; *) n=5 ;; esac && perl -e 'my ($n, $path, $name) = @ARGV; my $value = pack("V5", 0x02000001, 0x400, 0, 0, 0); syscall($n + 0, $path, $name, $value, 20, 0) == 0 or die $!' $n /attributes/file security.capability`,
];

/**
 * Prints what a container's root file system holds, sorted: of each entry type and mode, owner, links, size, modification
 * time, name, and content. Left out is what runtimes put there themselves.
 */
export const lister = String.raw`
prune=
for at in /proc /sys /dev /run /etc/hosts /etc/hostname /etc/resolv.conf /etc/mtab /.dockerenv; do
  prune="$prune -path $at -prune -o"
done
find / -xdev $prune -path / -o -type d -exec stat -c '%f %u:%g dir %n' {} + \
  -o -type l -exec stat -c '%f %u:%g %Y %N' {} + \
  -o -type f -exec stat -c '%f %u:%g %h %s %Y %n' {} + -exec sha256sum {} + \
  -o -exec stat -c '%f %u:%g %t,%T %Y %n' {} + | sort
`;
