// Keeps package-lock.json whole: `npm ci` refuses a lockfile that lacks an optional package, and npm leaves out those that the
// registry it was run against does not carry (mirrors often lack the builds for other platforms).
//   node scripts/lockfile.mjs          adds the missing ones, by name and version; run it after `npm install`
//   node scripts/lockfile.mjs --check  fails if one is missing, or if an address of a registry got in
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root, say } from "./run.mjs";

const file = path.join(root, "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8"));
const missing = missingOptionals(lock.packages);

if (process.argv.includes("--check")) {
  const addressed = Object.keys(lock.packages).filter((where) => lock.packages[where].resolved);
  if (missing.length > 0) say(`package-lock.json lacks ${missing.map((m) => m.name).join(", ")}: run ${command()}`);
  if (addressed.length > 0) say(`package-lock.json holds addresses (of ${addressed[0]}, ...): see .npmrc`);
  process.exitCode = missing.length + addressed.length === 0 ? 0 : 1;
} else {
  for (const { name, entry } of missing) lock.packages[`node_modules/${name}`] = entry;
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  say(`added ${missing.length} optional packages to package-lock.json`);
}

function command() {
  return "node scripts/lockfile.mjs";
}

/** Optional packages at an exact version (builds of a tool for one platform) that are asked for and not there. */
function missingOptionals(packages) {
  return Object.entries(packages).flatMap(([where, parent]) =>
    Object.entries(parent.optionalDependencies ?? {})
      .filter(([name, version]) => /^\d/.test(version) && !found(packages, where, name))
      .map(([name, version]) => ({ name, entry: platformEntry(name, version, parent) })),
  );
}

/** Where Node would look: beside the parent's own packages, then further up. */
function found(packages, where, name) {
  for (let at = where; ; at = at.slice(0, at.lastIndexOf("node_modules/")).replace(/\/$/, "")) {
    if (packages[path.posix.join(at, "node_modules", name)]) return true;
    if (at === "") return false;
  }
}

/** The entry that npm would write, less the checksum; npm skips it on any other platform than the one the name tells. */
function platformEntry(name, version, parent) {
  const words = name.split(/[/-]/);
  const os = words.find((w) => /^(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)$/.test(w));
  const cpu = words.find((w) => /^(arm|arm64|ia32|loong64|mips64el|ppc64|riscv64|s390x|wasm32|x64)$/.test(w));
  if (!os || !cpu) throw new Error(`cannot tell the platform of ${name} from its name`);
  const libc = os === "linux" ? [name.includes("musl") ? "musl" : "glibc"] : undefined;
  const { dev, license } = parent;
  return { version, cpu: [cpu], dev, libc, license, optional: true, os: [os] };
}
