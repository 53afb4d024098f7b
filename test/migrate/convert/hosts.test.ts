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
});
