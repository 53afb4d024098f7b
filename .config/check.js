// `npm run check`: types, lint rules and formatting, at the same time, since none of them uses more than one core for long.
// What each says is printed as a whole, in the same order each time.
import { execa } from "execa";

const checks = [
  ["tsc", "-p", "."],
  ["eslint", "-c", ".config/eslint.config.js", "src", "test"],
  ["prettier", "--check", "--log-level", "warn", "."],
];

const results = checks.map(([file = "", ...args]) =>
  execa(file, args, {
    preferLocal: true,
    all: true,
    reject: false,
    env: { FORCE_COLOR: process.stdout.isTTY ? "1" : "0" },
  }),
);
for (const result of results) {
  const { all, failed, command, shortMessage } = await result;
  if (all) console.log(all);
  if (!failed) continue;
  if (!all) console.log(shortMessage);
  console.log(`check: ${command} failed\n`);
  process.exitCode = 1;
}
