import fc from "fast-check";
import { expect, test } from "vitest";
import { type PageFile, worthLeast } from "./stored-page-order.ts";

const page = (id: string, parent: string, usedAt: number, bytes = 1): PageFile => ({
  name: id,
  id,
  parent,
  usedAt,
  bytes,
});

test("what was not used for longest goes first", () => {
  const files = [page("a", "", 3), page("b", "", 1), page("c", "", 2)];
  expect(worthLeast(files, 3)).toEqual([]);
  expect(worthLeast(files, 1).map(({ id }) => id)).toEqual(["c", "b"]);
});

test("a beginning stays for as long as anything behind it, and longer than that", () => {
  const files = [page("a", "", 1), page("b", "a", 9), page("c", "b", 5), page("x", "", 7)];
  expect(worthLeast(files, 3).map(({ id }) => id)).toEqual(["c"]);
  expect(worthLeast(files, 2).map(({ id }) => id)).toEqual(["x", "c"]);
  expect(worthLeast(files, 1).map(({ id }) => id)).toEqual(["b", "x", "c"]);
});

test("whatever the files, the rest fits and has its beginnings; no more goes than must", () => {
  const file = fc.record({ parent: fc.nat(30), usedAt: fc.nat(20), bytes: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(file, { maxLength: 30 }), fc.nat(150), (drawn, maxBytes) => {
      // Parents may be missing, or, in names that somebody made up, stand in a circle.
      const files = drawn.map(({ parent, usedAt, bytes }, i) => page(`${i}`, `${parent}`, usedAt, bytes));
      const gone = worthLeast(files, maxBytes);
      const kept = files.filter((one) => !gone.includes(one));
      const bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
      expect(bytes).toBeLessThanOrEqual(maxBytes);
      if (gone.length > 0) expect(bytes + gone[0]!.bytes).toBeGreaterThan(maxBytes);
      const circular = (one: PageFile, seen = new Set<PageFile>()): boolean => {
        const parent = files.find(({ id }) => id === one.parent);
        return parent !== undefined && (seen.has(one) || circular(parent, seen.add(one)));
      };
      for (const one of kept) if (!circular(one)) expect(gone.map(({ id }) => id)).not.toContain(one.parent);
    }),
  );
});
