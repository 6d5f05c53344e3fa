import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { type TokenSource, Vocabulary } from "./vocabulary.ts";

function sourceOf(tokens: readonly (readonly number[])[]): TokenSource {
  return { size: tokens.length, tokenBytes: (id) => Uint8Array.from(tokens[id]!), addedToken: () => null };
}

/** What each node of the trie spells, with its token. */
function spelled({ nodes, byte, depth, token }: Vocabulary): [string, number][] {
  const path: number[] = [];
  return Array.from({ length: nodes }, (_, node) => {
    path.length = Math.max(0, depth[node]! - 1);
    if (node > 0) path.push(byte[node]!);
    return [path.join(), token[node]!];
  });
}

it("a vocabulary is a trie in the order of its bytes, in which every token ends once", () => {
  const bytes = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 40 }), (tokens) => {
      const vocabulary = Vocabulary.of(sourceOf(tokens));
      const ends = new Map<string, number>();
      const twins: [number, number][] = [];
      for (const [id, token] of tokens.entries()) {
        const first = ends.get(token.join());
        if (first !== undefined) twins.push([id, first]);
        else if (token.length > 0) ends.set(token.join(), id);
      }
      const paths = new Set(tokens.flatMap((token) => token.map((_, i) => token.slice(0, i + 1).join())));
      const wanted = [...paths]
        .sort((a, b) => (`${a},` < `${b},` ? -1 : 1))
        .map((path) => [path, ends.get(path) ?? -1]);
      expect(spelled(vocabulary)).toEqual([["", -1], ...wanted]);
      expect(vocabulary.twins.toSorted(([a], [b]) => a - b)).toEqual(twins);
      expect(vocabulary.maxDepth).toBe(Math.max(...tokens.map(({ length }) => length)));
    }),
  );
});

it("added tokens are no part of a vocabulary, but have their ids", () => {
  const source = { ...sourceOf([[1], [1, 2], [3]]), addedToken: (id: number) => (id === 1 ? {} : null) };
  const vocabulary = Vocabulary.of(source);
  expect(spelled(vocabulary)).toEqual([
    ["", -1],
    ["1", 0],
    ["3", 2],
  ]);
  expect([vocabulary.size, vocabulary.bytes(1), vocabulary.bytes(2)]).toEqual([3, null, Uint8Array.of(3)]);
});

it("the same comes of building it in slices, between which others have their turn", async () => {
  const tokens = Array.from({ length: 5000 }, (_, id) => [id >> 8, id & 255, (id * 7) & 15]);
  const whole = Vocabulary.of(sourceOf(tokens));
  let now = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now++); // each look at it takes a millisecond
  let [turns, going] = [0, true];
  const turn = () => {
    turns++;
    if (going) setImmediate(turn);
  };
  setImmediate(turn);
  const source = sourceOf(tokens);
  const turnsAt: number[] = []; // by token that is read
  const sliced = await Vocabulary.inSlices({
    ...source,
    tokenBytes: (id) => {
      turnsAt[id] = turns;
      return source.tokenBytes(id);
    },
  });
  going = false;
  clock.mockRestore();
  expect(turnsAt.at(-1)).toBeGreaterThan(1); // while tokens are read, too
  // There are 5,010 slices, of a millisecond each by this clock; the turn is given after four.
  expect(turns).toBeGreaterThan(500);
  expect(turns).toBeLessThan(2000);
  expect(spelled(sliced)).toEqual(spelled(whole));
  expect(sliced.end).toEqual(whole.end);
});
