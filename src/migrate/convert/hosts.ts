/** A text with host names replaced, and which were. */
export interface Rewritten {
  readonly text: string;
  readonly renamed: readonly string[];
}

/** Words in which a name is no host, though one may look the same: users, and databases of a connection string. */
const notHosts = /(?<![\w.])(?:user(?:name)?|dbname|database|user id|uid)=[^\s,;&'"]*/i;
/**
 * The scheme of a URL, with what stands before the `@`. It begins where the word does: from every letter of a long one,
 * each time to its end, would take hours.
 */
const schemeAndUser = /(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/(?:[^\s/?#@'"]*@)?/i;
/** A port, and nothing of a version behind it: 5432, and not 1 of `1.2`. */
const port =
  "(?:6553[0-5]|655[0-2]\\d|65[0-4]\\d{2}|6[0-4]\\d{3}|[1-5]\\d{4}|[1-9]\\d{0,3})(?![\\w-]|\\.\\w)";

/**
 * Replaces host names where they stand as whole ones: as the host of a URL or of `host:port`, after an `@`, or, where
 * `bare` says so, as a word by itself. Anything else that looks the same (a user or a database called like its service)
 * stays.
 */
export function rewriteHosts(
  text: string,
  renamed: ReadonlyMap<string, string>,
  { bare }: { readonly bare: boolean },
): Rewritten {
  if (renamed.size === 0) return { text, renamed: [] };
  const found = new Set<string>();
  // All names in one pass, the longest first: what took a name's place is not looked at again.
  const names = [...renamed.keys()].map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const before = `(?<=^|[\\s,;=@'"(\\[]|//)`;
  const after = bare ? `(?=$|[\\s,;/'")\\]]|:${port})` : `(?=:${port})`;
  const inUrl = `(?<=://|@)(?:${names})(?=$|[\\s,;/:'"?])`;
  const skipped = `(?:${notHosts.source})|(?:${schemeAndUser.source})`;
  const host = `(?<host>${inUrl}|${before}(?:${names})${after})`;
  const result = text.replace(new RegExp(`${host}|${skipped}`, "gi"), (all, ...rest: unknown[]) => {
    const { host: name } = rest.at(-1) as { readonly host: string | undefined };
    const to = name === undefined ? undefined : renamed.get(name);
    if (name === undefined || to === undefined) return all;
    found.add(name);
    return to;
  });
  return { text: result, renamed: [...found] };
}

/** The host names that stand in a text as words of their own, whatever they mean there. */
export function namesIn(text: string, names: Iterable<string>): readonly string[] {
  return [...names].filter((name) => {
    const word = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`(?<![\\w.-])${word}(?![\\w-]|\\.\\w)`, "i").test(text);
  });
}

/** Ports that a URL without one means: https://www.iana.org/assignments/uri-schemes and the drivers' own documentation. */
const schemePorts: Readonly<Record<string, number>> = {
  amqp: 5672,
  amqps: 5671,
  clickhouse: 9000,
  ftp: 21,
  http: 80,
  https: 443,
  ldap: 389,
  ldaps: 636,
  mariadb: 3306,
  mongodb: 27017,
  mqtt: 1883,
  mssql: 1433,
  mysql: 3306,
  nats: 4222,
  postgres: 5432,
  postgresql: 5432,
  redis: 6379,
  rediss: 6379,
  smtp: 25,
  sqlserver: 1433,
  ws: 80,
  wss: 443,
};

/** The ports at which a text dials a host: 5432 in `postgres://u:p@db:5432/x`, and in `postgres://db/x`. */
export function dialledPorts(text: string, host: string): readonly number[] {
  const name = quoted(host);
  return [...written(text, name, "\\d{1,5}"), ...implied(text, name)].map(({ port }) => port);
}

/** A host and port that a text names, and where. */
export interface Dialled {
  /** In lower case. */
  readonly host: string;
  readonly port: number;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * What source text dials of these hosts: `api:5000`, `http://api/`, `connect(("api", 5000))`, `host: "api", port: 5000`.
 * Ports of one digit are none: `order:2` is a style. Nor is the tag of an image, or a number beside a word in a line that
 * says nothing of connections.
 */
export function dialledInSource(text: string, hosts: readonly string[]): readonly Dialled[] {
  const names = hosts.map(quoted).join("|");
  if (names === "" || !new RegExp(`(?<![\\w.-])(?:${names})(?![\\w-])`, "i").test(text)) return [];
  const digits = "\\d{2,5}";
  const found = [...written(text, names, digits), ...implied(text, names), ...paired(text, names, digits)];
  const lineAt = readLines(text);
  return found
    .sort((left, right) => left.at - right.at)
    .flatMap(({ host, port, at, isPair }) => {
      const { line, isImage, connects } = lineAt(at);
      return isImage || (isPair && !connects) ? [] : [{ host: host.toLowerCase(), port, line }];
    });
}

interface Line {
  /** Counted from 1. */
  readonly line: number;
  readonly isImage: boolean;
  readonly connects: boolean;
}

/** The line of each place, asked for in order: one pass over the text, however many places a line has. */
function readLines(text: string): (at: number) => Line {
  let line = 0;
  let end = -1;
  let last: Line | undefined;
  return (at) => {
    if (last !== undefined && at <= end) return last;
    let start = end + 1;
    for (; at > end; line++) {
      start = end + 1;
      end = text.indexOf("\n", start);
      if (end === -1) end = text.length;
    }
    const own = text.slice(start, end);
    last = {
      line,
      isImage: /\bimage\b["']?\s*[:=]|^\s*FROM\s/i.test(own),
      connects: /connect|socket|dial|host|addr|client|server|port/i.test(own),
    };
    return last;
  };
}

interface Match {
  readonly host: string;
  readonly port: number;
  readonly at: number;
  /** Two values beside each other, which need not be a host and its port. */
  readonly isPair: boolean;
}

const quoted = (host: string): string => host.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** `db:5432` */
function written(text: string, names: string, digits: string): readonly Match[] {
  const before = "(?<=^|[\\s,;=@'\"`(\\[<>]|//)";
  return matches(text, `${before}(?<host>${names}):(?<port>${digits})(?![\\w-]|\\.\\w)`);
}

/** `postgres://db/x`; a word is read once, from where it begins, as it may be 200 kB of hexadecimal digits. */
function implied(text: string, names: string): readonly Match[] {
  const scheme = "(?<![a-z0-9.+])[\\d.+]*(?<scheme>[a-z][a-z0-9]*)(?:\\+[a-z0-9.+]+)?://(?:[^\\s/?#@'\"]*@)?";
  return matches(text, `${scheme}(?<host>${names})(?=$|[\\s,;/?#'"\`)\\]>])`);
}

/** `("db", 5432)`, `host="db", port=5432` */
function paired(text: string, names: string, digits: string): readonly Match[] {
  const port = "(?:[\"']?port[\"']?\\s*[:=]\\s*)?[\"'`]?";
  return matches(text, `(?<pair>["'\`])(?<host>${names})["'\`]\\s*,\\s*${port}(?<port>${digits})(?![\\w.])`);
}

function matches(text: string, expression: string): readonly Match[] {
  return [...text.matchAll(new RegExp(expression, "gim"))].flatMap(({ groups = {}, index }) => {
    const { host = "", scheme = "" } = groups;
    const port = Number(groups["port"] ?? schemePorts[scheme.toLowerCase()] ?? 0);
    const isPair = groups["pair"] !== undefined;
    return port > 0 && port < 65_536 ? [{ host, port, at: index, isPair }] : [];
  });
}

/** Whether a variable of this name holds a host. */
export function namesHost(variable: string): boolean {
  return /HOST|SERVER|ADDR|URL|URI|ENDPOINT|BROKER|BOOTSTRAP|UPSTREAM|PEER|NODE|MASTER|PROXY|DSN/i.test(
    variable,
  );
}
