import { describe, expect, it } from "vitest";
import { dialledInSource, rewriteHosts } from "../../../src/migrate/convert/hosts.js";

const renamed = new Map([
  ["my_app", "my-app"],
  ["my_db", "my-db"],
]);

describe("rewriting hosts", () => {
  it.each([
    ["postgres://my_app:pw@my_db:5432/my_app", "postgres://my_app:pw@my-db:5432/my_app"],
    ["postgres://my_app@my_db/my_app", "postgres://my_app@my-db/my_app"],
    ["http://my_app:8080/", "http://my-app:8080/"],
    ["http://my_app", "http://my-app"],
    ["user=my_app host=my_db dbname=my_db", "user=my_app host=my-db dbname=my_db"],
    ["Server=my_db;Database=my_db;User Id=my_app", "Server=my-db;Database=my_db;User Id=my_app"],
    ["image my_app:1.2", "image my_app:1.2"],
    ["my_app:1.2.3", "my_app:1.2.3"],
    ["my_app:70000", "my_app:70000"],
    ["my_app:0", "my_app:0"],
    ["my_app:8080x", "my_app:8080x"],
    ["my_app:80,my_db:65535", "my-app:80,my-db:65535"],
    ["mongodb://u:p@my_app:1,my_db:2/x", "mongodb://u:p@my-app:1,my-db:2/x"],
    ["my_app:8080.", "my-app:8080."],
  ])("%s", (text, expected) => {
    expect(rewriteHosts(text, renamed, { bare: true }).text).toBe(expected);
  });

  it("looks at a name that took another's place no more", () => {
    const swapped = new Map([
      ["aa_1", "b"],
      ["b", "c"],
    ]);
    expect(rewriteHosts("aa_1 b", swapped, { bare: true })).toEqual({ text: "b c", renamed: ["aa_1", "b"] });
  });
});

describe("what source text dials", () => {
  it.each([
    ["fetch(`http://api:5000/x`)", 5000],
    ["requests.get('http://api/')", 80],
    ["server api:5000;", 5000],
    ["s.connect(('api', 5000))", 5000],
    ['net.JoinHostPort("api", "5000")', 5000],
    ['createClient({ host: "api", port: 5000 })', 5000],
    ['host="api", port=5000', 5000],
    ["amqp://user:pw@API:5673/", 5673],
    ["mysql+pymysql://user@api/x", 3306],
    ["Bot/1.0 (+http://api/)", 80],
    ["api:5000", 5000],
  ])("%s", (text, port) => {
    expect(dialledInSource(`\n${text}\n`, ["web", "api"])).toEqual([{ host: "api", port, line: 2 }]);
  });

  it.each([
    "http://my-api:5000",
    "http://api.example.com:5000",
    "http://apis:5000",
    "image: api:5000",
    '"image": "registry/api:5000"',
    "FROM api:5000",
    "api:5000.1",
    "api:5000-alpine",
    "order: 2; api:2",
    "api:70000",
    "connect('api', 5000.5)",
    "sizes = [('api', 5000)]",
  ])("nothing in %s", (text) => {
    expect(dialledInSource(text, ["web", "api"])).toEqual([]);
  });

  it("by its lines, whatever way it is written", () => {
    const text = "http://api/\n\nhost='api',\n port=81\napi:82 api:83\n";
    const found = dialledInSource(text, ["api"]).map(({ port, line }) => `${port} ${line}`);
    expect(found).toEqual(["80 1", "81 3", "82 5", "83 5"]);
  });
});

// Time that grows with the square of the length would be minutes here.
describe("long texts", () => {
  const size = 250_000;
  const filled = (word: string): string => word.repeat(size / word.length);

  it.each(["ab12", "a.b+c.d+", "a://", '"api" ', "api  ", "a@", "1.+a"])("source text of %s", (word) => {
    expect(dialledInSource(`${filled(word)}\nhttp://api:5000`, ["api"])).toEqual([
      { host: "api", port: 5000, line: 2 },
    ]);
  });

  it.each(["api:5000 ", "('api', 5000)"])("source text that dials all along its line: %s", (word) => {
    const found = dialledInSource(`connect ${filled(word)}`, ["api"]);
    expect(new Set(found.map(({ port, line }) => `${port} ${line}`))).toEqual(new Set(["5000 1"]));
    expect(found).toHaveLength(Math.floor(size / word.length));
  });

  it.each(["ab12", "a.b+c-d+", "a://", "a@", "user=a"])("a value of %s", (word) => {
    const text = filled(word);
    expect(rewriteHosts(`${text} my_db:5432`, renamed, { bare: true })).toEqual({
      text: `${text} my-db:5432`,
      renamed: ["my_db"],
    });
  });
});
