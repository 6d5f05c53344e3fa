// Changesets: one small file in .changeset/ for each change that a user can notice, folded into CHANGELOG.md at a release. The
// files are those of @changesets/cli, whose newest version does not run on the oldest Node that this project does.
//   node scripts/changelog.mjs          makes a release: CHANGELOG.md, the version in package.json and package-lock.json
//   node scripts/changelog.mjs --check  only reads the files
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const folder = ".changeset";
const kinds = ["major", "minor", "patch"];

function readChanges() {
  const names = readdirSync(folder).filter((name) => name.endsWith(".md") && name !== "README.md");
  return names.sort().map((name) => {
    const file = path.join(folder, name);
    const [, kind, text] = /^---\n"deepts": (\w+)\n---\n(.*)$/s.exec(readFileSync(file, "utf8")) ?? [];
    if (!kinds.includes(kind) || text.trim() === "") {
      throw new Error(
        `${file}: want a line "---", "\\"deepts\\": ${kinds.join("|")}", a line "---", then what changed`,
      );
    }
    return { file, kind, text: text.trim().replaceAll("\n", "\n  ") };
  });
}

function nextVersion(version, changes) {
  const [major, minor, patch] = version.split(".").map(Number);
  const has = (kind) => changes.some((change) => change.kind === kind);
  if (has("major")) return `${major + 1}.0.0`;
  return has("minor") ? `${major}.${minor + 1}.0` : `${major}.${minor}.${patch + 1}`;
}

function section(version, changes) {
  const parts = kinds.flatMap((kind) => {
    const lines = changes.filter((change) => change.kind === kind).map(({ text }) => `- ${text}\n`);
    return lines.length === 0 ? [] : [`### ${kind[0].toUpperCase()}${kind.slice(1)} changes\n\n${lines.join("")}`];
  });
  return `## ${version}\n\n${parts.join("\n")}`;
}

function release(changes) {
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  const version = nextVersion(manifest.version, changes);
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  lock.version = version;
  lock.packages[""].version = version;
  const title = "# Changelog\n";
  const earlier = existsSync("CHANGELOG.md") ? readFileSync("CHANGELOG.md", "utf8").slice(title.length) : "";
  writeFileSync("CHANGELOG.md", `${title}\n${section(version, changes)}${earlier}`);
  writeFileSync("package.json", `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
  writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
  for (const { file } of changes) rmSync(file);
  return version;
}

try {
  const changes = readChanges();
  if (process.argv.includes("--check")) console.log(`${changes.length} changesets`);
  else if (changes.length === 0) console.log("no changesets, nothing to release");
  else console.log(`released ${release(changes)}: commit, and tag it`);
} catch (error) {
  console.error(`changelog: ${error.message}`);
  process.exitCode = 1;
}
