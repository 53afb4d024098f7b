import { describe, expect, it } from "vitest";
import { rewriteHosts } from "../../../src/migrate/convert/hosts.js";

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
