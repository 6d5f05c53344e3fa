import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { hasSharedFixtures, localFixtures, NO_SHARED, sharedDir } from "../shared-fixtures.ts";

describe("the golden values in test/fixtures", () => {
  it("are copies of those in ../shared", (t) => {
    if (!hasSharedFixtures) t.skip(NO_SHARED);
    const files = readdirSync(localFixtures, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const copies = files
      .map((entry) => path.relative(localFixtures, path.join(entry.parentPath, entry.name)))
      .filter((file) => file !== "README.md");
    expect(copies.length).toBeGreaterThan(30);
    const differing = copies.filter((file) => {
      const original = path.join(sharedDir, "fixtures", file);
      return !readFileSync(original).equals(readFileSync(path.join(localFixtures, file)));
    });
    expect(differing).toEqual([]);
  });
});
