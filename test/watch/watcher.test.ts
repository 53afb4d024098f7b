import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, it } from "vitest";
import type { DirectoryEventsOptions } from "../../src/watch/directory-events.js";
import { isGitAtWork } from "../../src/watch/git-lock.js";
import { scanScopes, type WatchScope } from "../../src/watch/watcher.js";
import { scopeOf, TempTree, until, WatchRig } from "./rig.js";

async function fresh(scopes: readonly WatchScope[], id: string): Promise<string | undefined> {
  const changes = await scanScopes(scopes, { signal: new AbortController().signal });
  return changes.find((change) => change.id === id)?.revision;
}

/** Waits until the watcher knows what a scan from nothing finds. */
async function settled(rig: WatchRig, scopes: readonly WatchScope[], id = "image:a"): Promise<void> {
  const revision = await fresh(scopes, id);
  await until(
    () => rig.revision(id) === revision,
    () => `${id} to reach the revision of a fresh scan`,
  );
}

/** The next report after `act`. */
async function next(rig: WatchRig, act: () => void): Promise<string[]> {
  const from = rig.batches.length;
  act();
  await until(
    () => rig.batches.length > from,
    () => "a report",
  );
  return rig.changedSince(from);
}

/** Writes to a marker that is watched and waits for its report: whatever came before it has been dealt with. */
async function quietExceptMarker(rig: WatchRig, marker: string, act: () => void): Promise<void> {
  const from = rig.batches.length;
  act();
  await rig.watcher.rescan();
  appendFileSync(marker, "x");
  await until(
    () => rig.changedSince(from).includes(marker),
    () => "the marker",
  );
  expect(rig.changedSince(from)).toEqual([marker]);
}

describe("watching a tree", () => {
  it("reports each new scope once, with its revision and no paths", async () => {
    using tree = new TempTree();
    tree.write("src/a.js");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    expect(rig.batches).toHaveLength(1);
    expect(rig.changes[0]).toMatchObject({ id: "image:a", changed: [] });
    expect(rig.revision("image:a")).toBe(await fresh(scopes, "image:a"));
    await rig.watcher.setScopes(scopes);
    await rig.watcher.rescan();
    expect(rig.batches).toHaveLength(1);
    expect(rig.watcher.stats()).toEqual({ files: 1, directories: 2 });
  });

  it("reports a write, an atomic save, a removal and an addition by path", async () => {
    using tree = new TempTree();
    const file = tree.write("src/a.js", "one");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    expect(
      await next(rig, () => {
        writeFileSync(file, "two");
      }),
    ).toEqual([file]);
    await settled(rig, scopes);
    expect(
      await next(rig, () => {
        writeFileSync(tree.path("src/a.js~"), "three");
        renameSync(tree.path("src/a.js~"), file);
      }),
    ).toEqual([file]);
    await settled(rig, scopes);
    expect(
      await next(rig, () => {
        unlinkSync(file);
      }),
    ).toEqual([file]);
    expect(
      await next(rig, () => {
        writeFileSync(file, "four");
      }),
    ).toEqual([file]);
    await settled(rig, scopes);
  });

  it("takes equal bytes, a touch and a removal taken back as no change", async () => {
    using tree = new TempTree();
    const file = tree.write("a.js", "one");
    const marker = tree.write("marker");
    await using rig = await WatchRig.start([scopeOf("image:a", tree.root)]);
    await quietExceptMarker(rig, marker, () => {
      writeFileSync(file, "one");
      utimesSync(file, new Date(), new Date());
    });
    await quietExceptMarker(rig, marker, () => {
      unlinkSync(file);
      writeFileSync(file, "one");
    });
  });

  it("takes executable bits as content, other bits not", async () => {
    using tree = new TempTree();
    const file = tree.write("run.sh");
    const marker = tree.write("marker");
    chmodSync(file, 0o644);
    await using rig = await WatchRig.start([scopeOf("image:a", tree.root)]);
    expect(
      await next(rig, () => {
        chmodSync(file, 0o755);
      }),
    ).toEqual([file]);
    await quietExceptMarker(rig, marker, () => {
      chmodSync(file, 0o711);
      chmodSync(file, 0o755);
    });
  });

  it("keeps quiet about editors' files and .git", async () => {
    using tree = new TempTree();
    tree.write("a.js");
    tree.write(".git/HEAD");
    const marker = tree.write("marker");
    await using rig = await WatchRig.start([scopeOf("image:a", tree.root)]);
    await quietExceptMarker(rig, marker, () => {
      tree.write(".a.js.swp");
      tree.write("4913");
      tree.write("a.js~");
      tree.write("#a.js#");
      tree.write(".git/index", "x");
      symlinkSync("me@here:1", tree.path(".#a.js"));
    });
    expect(rig.watcher.stats()).toEqual({ files: 2, directories: 1 });
  });

  it("finds everything in directories made, filled, renamed and moved in", async () => {
    using tree = new TempTree();
    using other = new TempTree();
    tree.write("a.js");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    for (let n = 0; n < 20; n++) tree.write(`deep/d${n}/e/f.js`, `${n}`);
    await settled(rig, scopes);
    // Files in directories that are only just watched:
    tree.write("deep/d3/e/late.js");
    await settled(rig, scopes);
    renameSync(tree.path("deep"), tree.path("renamed"));
    await settled(rig, scopes);
    tree.write("renamed/d4/e/f.js", "in the renamed one");
    await settled(rig, scopes);
    other.write("x/y.js");
    renameSync(other.path("x"), tree.path("moved"));
    await settled(rig, scopes);
    tree.write("moved/y.js", "again");
    await settled(rig, scopes);
    expect(rig.changedSince(rig.batches.length - 1)).toEqual([tree.path("moved/y.js")]);
  });

  it("goes on watching a directory that was removed and made again at once", async () => {
    using tree = new TempTree();
    tree.write("src/in/a.js", "0");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    for (let round = 1; round <= 5; round++) {
      rmSync(tree.path("src"), { recursive: true });
      tree.write("src/in/a.js", `${round}`);
      await settled(rig, scopes);
      tree.write("src/in/a.js", `${round} again`);
      await settled(rig, scopes);
    }
  });

  it("swaps two directories", async () => {
    using tree = new TempTree();
    tree.write("one/x/a.js", "1");
    tree.write("two/x/a.js", "2");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    renameSync(tree.path("one"), tree.path("tmp"));
    renameSync(tree.path("two"), tree.path("one"));
    renameSync(tree.path("tmp"), tree.path("two"));
    await settled(rig, scopes);
    expect(await next(rig, () => tree.write("one/x/a.js", "3"))).toEqual([tree.path("one/x/a.js")]);
    expect(await next(rig, () => tree.write("two/x/a.js", "4"))).toEqual([tree.path("two/x/a.js")]);
    await settled(rig, scopes);
  });

  it("takes a link's target as its content, broken, circular and of directories too", async () => {
    using tree = new TempTree();
    using outside = new TempTree();
    outside.write("secret/a.js");
    tree.write("a.js");
    symlinkSync("a.js", tree.path("good"));
    symlinkSync("nowhere", tree.path("broken"));
    symlinkSync("circular", tree.path("circular"));
    symlinkSync(tree.root, tree.path("up"));
    symlinkSync(outside.path("secret"), tree.path("directory"));
    const marker = tree.write("marker");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    expect(rig.watcher.stats()).toEqual({ files: 7, directories: 1 });
    await quietExceptMarker(rig, marker, () => outside.write("secret/a.js", "not seen through the link"));
    expect(
      await next(rig, () => {
        unlinkSync(tree.path("broken"));
        symlinkSync("a.js", tree.path("broken"));
      }),
    ).toEqual([tree.path("broken")]);
    expect(
      await next(rig, () => {
        unlinkSync(tree.path("good"));
        writeFileSync(tree.path("good"), "a file now");
      }),
    ).toEqual([tree.path("good")]);
    await settled(rig, scopes);
  });

  it("watches a root that is a link, and what it is turned to", async () => {
    using tree = new TempTree();
    tree.write("v1/a.js", "1");
    tree.write("v2/a.js", "2");
    symlinkSync("v1", tree.path("current"));
    const scopes = [scopeOf("image:a", tree.path("current"))];
    await using rig = await WatchRig.start(scopes);
    expect(await next(rig, () => tree.write("v1/a.js", "1b"))).toEqual([tree.path("current/a.js")]);
    expect(
      await next(rig, () => {
        symlinkSync("v2", tree.path("next"));
        renameSync(tree.path("next"), tree.path("current"));
      }),
    ).toEqual([tree.path("current/a.js")]);
    expect(await next(rig, () => tree.write("v2/a.js", "2b"))).toEqual([tree.path("current/a.js")]);
    await settled(rig, scopes);
  });

  it("waits for a root that does not exist, without looking into its neighbours", async () => {
    using tree = new TempTree();
    tree.write("neighbour/deep/a.js");
    const scopes = [scopeOf("image:a", tree.path("not/there/yet"))];
    await using rig = await WatchRig.start(scopes);
    expect(rig.watcher.stats()).toEqual({ files: 0, directories: 0 });
    tree.write("not/there/yet/src/a.js");
    await settled(rig, scopes);
    tree.write("not/there/yet/src/a.js", "again");
    await settled(rig, scopes);
    expect(rig.watcher.stats()).toEqual({ files: 1, directories: 2 });
    rmSync(tree.path("not"), { recursive: true });
    await settled(rig, scopes);
    expect(rig.watcher.stats()).toEqual({ files: 0, directories: 0 });
    tree.write("not/there/yet/b.js");
    await settled(rig, scopes);
  });

  it("survives pipes and files that vanish while they are read", async () => {
    using tree = new TempTree();
    execFileSync("mkfifo", [tree.path("pipe")]);
    tree.write("a.js");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    expect(rig.watcher.stats()).toEqual({ files: 1, directories: 1 });
    expect(rig.problems).toEqual([]);
    for (let n = 0; n < 200; n++) {
      tree.write(`flicker${n % 7}`, `${n}`);
      rmSync(tree.path(`flicker${n % 7}`));
    }
    tree.write("done");
    await settled(rig, scopes);
    expect(rig.problems).toEqual([]);
  });

  it("hashes large files too", async () => {
    using tree = new TempTree();
    const file = tree.write("big.bin", "x".repeat(9_000_000));
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    await next(rig, () => {
      appendFileSync(file, "y");
    });
    await settled(rig, scopes);
  });
});

describe("ignore rules", () => {
  it("neither enters nor watches ignored directories", async () => {
    using tree = new TempTree();
    tree.write("src/a.js");
    for (let n = 0; n < 20; n++) tree.write(`node_modules/m${n}/index.js`);
    const marker = tree.write("marker");
    const watched: string[] = [];
    const openEvents = () => ({
      watch: (directory: string) => {
        watched.push(directory);
        return Promise.resolve();
      },
      unwatch: () => undefined,
      close: () => Promise.resolve(),
    });
    await using quiet = await WatchRig.start([scopeOf("image:a", tree.root, { ignore: ["node_modules"] })], {
      openEvents,
    });
    expect([...new Set(watched)].sort()).toEqual([tree.root, tree.path("src")]);
    expect(quiet.watcher.stats()).toEqual({ files: 2, directories: 2 });
    await using rig = await WatchRig.start([scopeOf("image:a", tree.root, { ignore: ["node_modules"] })]);
    await quietExceptMarker(rig, marker, () => tree.write("node_modules/m3/index.js", "other"));
  });

  it("takes up an edited ignore file, and tells what came and went", async () => {
    using tree = new TempTree();
    tree.write("src/a.js");
    tree.write("dist/out.js");
    const ignoreFile = tree.write(".dockerignore", "dist\n");
    const scopes = [
      scopeOf("image:a", tree.root, { ignoreFiles: [tree.path("Dockerfile.dockerignore"), ignoreFile] }),
    ];
    await using rig = await WatchRig.start(scopes);
    expect(
      await next(rig, () => {
        writeFileSync(ignoreFile, "src\n");
      }),
    ).toEqual([
      ignoreFile,
      tree.path("dist"),
      tree.path("dist/out.js"),
      tree.path("src"),
      tree.path("src/a.js"),
    ]);
    await settled(rig, scopes);
    // The first candidate comes to be, and wins.
    tree.write("Dockerfile.dockerignore", "dist\nsrc\n");
    await settled(rig, scopes);
    expect(rig.watcher.stats().files).toBe(2);
    rmSync(tree.path("Dockerfile.dockerignore"));
    await settled(rig, scopes);
    expect(await next(rig, () => tree.write("dist/out.js", "again"))).toEqual([tree.path("dist/out.js")]);
  });

  it("leaves a malformed pattern out and says where it stands", async () => {
    using tree = new TempTree();
    tree.write("src/a.js");
    const ignoreFile = tree.write(".dockerignore", "# comment\n[\nsrc\n");
    await using rig = await WatchRig.start([scopeOf("image:a", tree.root, { ignoreFiles: [ignoreFile] })]);
    expect(rig.problems).toHaveLength(1);
    expect(rig.problems[0]).toMatchObject({ code: "CONFIG_INVALID" });
    expect(rig.problems[0]?.message).toContain(".dockerignore:2");
    expect(rig.watcher.stats().files).toBe(1);
  });
});

describe("single files", () => {
  it("waits for files that do not exist, and counts them where a tree ignores them", async () => {
    using tree = new TempTree();
    using outside = new TempTree();
    tree.write("a.js");
    const dockerfile = tree.path("Dockerfile");
    const later = outside.path("some/where/values.yaml");
    const scopes = [scopeOf("image:a", tree.root, { ignore: ["Dockerfile"], files: [dockerfile, later] })];
    await using rig = await WatchRig.start(scopes);
    expect(
      await next(rig, () => {
        writeFileSync(dockerfile, "FROM scratch");
      }),
    ).toEqual([dockerfile]);
    outside.write("some/where/values.yaml");
    await settled(rig, scopes);
    expect(
      await next(rig, () => {
        writeFileSync(later, "again");
      }),
    ).toEqual([later]);
    rmSync(outside.path("some"), { recursive: true });
    await settled(rig, scopes);
    outside.write("some/where/values.yaml", "third");
    await settled(rig, scopes);
  });

  it("follows a link to the content", async () => {
    using tree = new TempTree();
    using outside = new TempTree();
    const target = outside.write("real/config.yaml", "1");
    const link = tree.path("devloop.yaml");
    symlinkSync(target, link);
    const scopes: WatchScope[] = [{ id: "config", trees: [], files: [link] }];
    await using rig = await WatchRig.start(scopes);
    expect(
      await next(rig, () => {
        writeFileSync(target, "2");
      }),
    ).toEqual([link]);
    outside.write("real/other.yaml", "3");
    expect(
      await next(rig, () => {
        unlinkSync(link);
        symlinkSync(outside.path("real/other.yaml"), link);
      }),
    ).toEqual([link]);
    expect(
      await next(rig, () => {
        writeFileSync(outside.path("real/other.yaml"), "4");
      }),
    ).toEqual([link]);
    await settled(rig, scopes, "config");
  });
});

describe("scopes", () => {
  it("reports all scopes that share a file in one call, and the others not", async () => {
    using tree = new TempTree();
    const shared = tree.write("lib/shared.js");
    tree.write("web/a.js");
    const scopes = [
      scopeOf("image:a", tree.root),
      scopeOf("image:lib", tree.path("lib")),
      scopeOf("image:web", tree.path("web"), { files: [shared] }),
      scopeOf("image:none", tree.root, { ignore: ["lib"] }),
    ];
    await using rig = await WatchRig.start(scopes);
    const from = rig.batches.length;
    await next(rig, () => {
      writeFileSync(shared, "new");
    });
    expect(rig.batches.slice(from).map((batch) => batch.map(({ id }) => id))).toEqual([
      ["image:a", "image:lib", "image:web"],
    ]);
  });

  it("keeps, adds, changes and drops scopes while running", async () => {
    using tree = new TempTree();
    tree.write("a/a.js");
    tree.write("b/b.js");
    const a = scopeOf("image:a", tree.path("a"));
    const b = scopeOf("image:b", tree.path("b"));
    await using rig = await WatchRig.start([a]);
    await rig.watcher.setScopes([a, b]);
    expect(rig.batches[1]?.map(({ id }) => id)).toEqual(["image:b"]);
    await rig.watcher.setScopes([scopeOf("image:a", tree.path("a"), { ignore: ["*.js"] }), b]);
    expect(rig.batches[2]).toMatchObject([{ id: "image:a", changed: [tree.path("a/a.js")] }]);
    await rig.watcher.setScopes([b]);
    expect(rig.watcher.stats()).toEqual({ files: 1, directories: 1 });
    expect(await next(rig, () => tree.write("b/b.js", "again"))).toEqual([tree.path("b/b.js")]);
    expect(rig.batches).toHaveLength(4);
  });

  it("gives equal trees in different places the same revision", async () => {
    using one = new TempTree();
    using two = new TempTree();
    for (const tree of [one, two]) tree.write("src/a.js");
    expect(await fresh([scopeOf("image:a", one.root)], "image:a")).toBe(
      await fresh([scopeOf("image:a", two.root)], "image:a"),
    );
  });

  it("misses nothing that happens while it scans", async () => {
    using tree = new TempTree();
    for (let n = 0; n < 600; n++) tree.write(`d${n % 60}/f${n}.js`);
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start([]);
    const scanning = rig.watcher.setScopes(scopes);
    for (let n = 0; n < 1200; n++) {
      tree.write(`d${n % 60}/f${n % 600}.js`, `changed ${n}`);
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await scanning;
    await settled(rig, scopes);
  });
});

describe("bursts", () => {
  it("reports a git checkout of 3,000 files completely, in a handful of changes", async () => {
    using tree = new TempTree();
    const git = (...args: string[]) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "gc.auto=0", ...args], {
        cwd: tree.root,
        stdio: "pipe",
      });
    git("init", "-q", "-b", "one");
    for (let n = 0; n < 3000; n++) tree.write(`p${n % 50}/q${n % 7}/f${n}.js`, `one ${n}`);
    git("add", "-A");
    git("commit", "-qm", "one");
    git("checkout", "-qb", "two");
    for (let n = 0; n < 3000; n++) tree.write(`p${n % 50}/q${n % 7}/f${n}.js`, `two ${n}`);
    rmSync(tree.path("p3"), { recursive: true });
    git("add", "-A");
    git("commit", "-qm", "two");
    git("checkout", "-q", "one");
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes);
    for (const branch of ["two", "one"]) {
      const from = rig.batches.length;
      git("checkout", "-q", branch);
      await settled(rig, scopes);
      expect(rig.batches.length - from).toBeLessThanOrEqual(3);
      expect(rig.changedSince(from).filter((path) => path.endsWith(".js"))).toHaveLength(3000);
    }
  }, 180_000);

  it("waits for git's lock, not for one that git left behind", async () => {
    using tree = new TempTree();
    const file = tree.write("a.js");
    const lock = tree.write(".git/index.lock");
    await using rig = await WatchRig.start([scopeOf("image:a", tree.root)]);
    let removed = false;
    const removal = setTimeout(() => {
      rmSync(lock);
      removed = true;
    }, 150);
    await next(rig, () => {
      writeFileSync(file, "during the checkout");
    });
    clearTimeout(removal);
    expect(removed).toBe(true);
    tree.write(".git/index.lock");
    const old = new Date(Date.now() - 120_000);
    utimesSync(lock, old, old);
    expect(isGitAtWork([lock], Date.now())).toBe(false);
    await next(rig, () => {
      writeFileSync(file, "after a crash");
    });
  });
});

describe("limits of the system", () => {
  it("says which limit is used up and polls from then on", async () => {
    using tree = new TempTree();
    const file = tree.write("a.js");
    const openEvents = ({ onError }: DirectoryEventsOptions) => ({
      watch: () => {
        onError(Object.assign(new Error("no space"), { code: "ENOSPC" }));
        return Promise.resolve();
      },
      unwatch: () => undefined,
      close: () => Promise.resolve(),
    });
    const scopes = [scopeOf("image:a", tree.root)];
    await using rig = await WatchRig.start(scopes, { openEvents });
    expect(rig.problems).toHaveLength(1);
    expect(rig.problems[0]?.code).toBe("WATCH_LIMIT");
    expect(rig.problems[0]?.hint).toMatch(/^sudo sysctl fs\.inotify\.max_user_watches=\d+$/);
    expect(
      await next(rig, () => {
        writeFileSync(file, "polled");
      }),
    ).toEqual([file]);
  });

  it("polls when told to", async () => {
    using tree = new TempTree();
    const file = tree.write("a.js");
    await using rig = await WatchRig.start([scopeOf("image:a", tree.root)], { usePolling: true });
    expect(
      await next(rig, () => {
        writeFileSync(file, "polled");
      }),
    ).toEqual([file]);
    expect(rig.problems).toEqual([]);
  });
});

it("stops when aborted, and when disposed during a scan", async () => {
  using tree = new TempTree();
  for (let n = 0; n < 300; n++) tree.write(`d${n}/f.js`);
  const rig = await WatchRig.start([]);
  const scanning = rig.watcher.setScopes([scopeOf("image:a", tree.root)]);
  await rig[Symbol.asyncDispose]();
  await scanning;
  expect(rig.batches).toEqual([]);
  expect(rig.problems).toEqual([]);
});
