import { expect, it } from "vitest";
import { NodeSets } from "./node-sets.ts";

it("numbers lists by what is in them", () => {
  const sets = new NodeSets();
  const lists = Array.from({ length: 3_000 }, (_, i) =>
    Array.from({ length: i % 7 }, (_, j) => (i * 31 + j * j) % 500),
  );
  const ids = lists.map((list) => sets.idOf(list));
  expect(lists.map((list) => sets.idOf([...list]))).toEqual(ids);
  const byText = new Map(lists.map((list, i) => [list.join(), ids[i]]));
  expect(new Set(ids).size).toBe(byText.size);
  for (const [i, list] of lists.entries()) {
    expect(Array.from(sets.members.subarray(sets.start(ids[i]!), sets.end(ids[i]!)))).toEqual(list);
    expect(sets.has(ids[i]!, 500)).toBe(false);
    if (list.length > 0) expect(sets.has(ids[i]!, list[0]!)).toBe(true);
  }
  expect(sets.idOf([])).not.toBe(sets.idOf([0]));
});
