import { expect } from "vitest";
import { PageError } from "../../../src/tensor/cache-page.ts";
import { CACHE_DTYPES, type CacheDType, type CacheLayout, type Program } from "../../../src/tensor/program.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import { batchOf } from "../cases/batches.ts";
import { Random } from "../random.ts";
import { PAGE_SIZE } from "./programs.ts";
import { type Harness, PAGES, runAndRead, type Session } from "./session.ts";

/** Not a whole number of blocks of q8_0. */
const WIDTH = 40;
const ROWS = 2 * PAGE_SIZE + 3;
const HERE = [4, 1, 6];
const THERE = [0, 7, 2];

/** Attention over one of two layers. @param writes also its keys and values; else it reads what is there */
function program(dtype: CacheDType, layer: number, writes: boolean): Program {
  const fields = (["key", "value"] as const).map((name) => ({ name, width: WIDTH, dtype }));
  const cache: CacheLayout = { pageSize: PAGE_SIZE, layers: [fields, fields] };
  const g = new Recorder(`${writes ? "writing" : "reading"} ${layer}`, cache);
  const q = g.input("q", 1, WIDTH);
  if (writes) for (const { name } of fields) g.cacheWrite(layer, name, g.input(name, WIDTH));
  g.output("out", g.gqaAttention(layer, q, 1, WIDTH ** -0.5));
  return g.finish();
}

const batch = (pages: readonly number[], count = ROWS) =>
  batchOf([{ sequence: 0, from: 0, count }], [Int32Array.from(pages)]);

function inputsOf(seed: number, count = ROWS): Record<"q" | "key" | "value", Float32Array> {
  const random = new Random(seed);
  const normals = () => random.normals(count * WIDTH);
  return { q: normals(), key: normals(), value: normals() };
}

/** A cache with text in HERE, and what reading it gives in each layer. */
async function filled(s: Session, dtype: CacheDType) {
  const cache = s.cacheFor(program(dtype, 0, true));
  const outputs: unknown[] = [];
  for (const layer of [0, 1]) {
    const writing = await s.compile(program(dtype, layer, true), cache);
    outputs.push(await runAndRead(writing, batch(HERE), inputsOf(layer)));
  }
  return { cache, outputs };
}

/** Whole pages as bytes: out of one cache, into another. */
export function cachePages({ test }: Harness): void {
  for (const dtype of CACHE_DTYPES) {
    test(
      `${dtype} pages that are put into another cache give the same bits there`,
      [program(dtype, 0, true)],
      async (s) => {
        const { cache, outputs } = await filled(s, dtype);
        const other = s.cacheFor(program(dtype, 0, true));
        expect([other.pageBytes, other.pageFormat]).toEqual([cache.pageBytes, cache.pageFormat]);
        for (const [i, page] of HERE.entries()) await other.writePage(THERE[i]!, await cache.readPage(page));
        for (const layer of [0, 1]) {
          const reading = await s.compile(program(dtype, layer, false), other);
          const { q } = inputsOf(layer);
          expect(await runAndRead(reading, batch(THERE), { q }), `layer ${layer}`).toEqual(outputs[layer]);
        }
      },
    );
  }

  test("copies of pages keep their place among runs that nobody awaits", [program("f32", 0, true)], async (s) => {
    const cache = s.cacheFor(program("f32", 0, true));
    const writing = await s.compile(program("f32", 0, true), cache);
    const reading = await s.compile(program("f32", 0, false), cache);
    const [before, after] = [inputsOf(5, PAGE_SIZE), inputsOf(6, PAGE_SIZE)];
    const { q } = before;
    const want = await runAndRead(writing, batch([3], PAGE_SIZE), before);
    const page = await cache.readPage(3);

    void writing.run(batch([3], PAGE_SIZE), after);
    void writing.run(batch([3], PAGE_SIZE), before);
    const copied = cache.readPage(3);
    void writing.run(batch([3], PAGE_SIZE), after);
    void cache.writePage(3, page);
    const seen = reading.run(batch([3], PAGE_SIZE), { q });
    void cache.writePage(3, new Uint8Array(cache.pageBytes));
    expect(await copied).toEqual(page);
    expect([...(await (await seen).out!.read())]).toEqual(want.out);
  });

  test("a page that no cache has, and bytes that are no page, are refused", [program("f32", 0, true)], async (s) => {
    const { cache } = await filled(s, "f32");
    const want = await cache.readPage(HERE[0]!);
    for (const page of [-1, PAGES, 0.5, Number.NaN]) {
      await expect(cache.readPage(page)).rejects.toThrow(PageError);
      await expect(cache.writePage(page, want)).rejects.toThrow(PageError);
    }
    for (const length of [0, cache.pageBytes - 1, cache.pageBytes + 1]) {
      await expect(cache.writePage(HERE[0]!, new Uint8Array(length))).rejects.toThrow(PageError);
    }
    expect(await cache.readPage(HERE[0]!)).toEqual(want);
  });

  test("a closed cache gives and takes no page", [program("f32", 0, true)], async (s) => {
    const { cache } = await filled(s, "f32");
    const page = await cache.readPage(HERE[0]!);
    cache.close();
    await expect(cache.readPage(HERE[0]!)).rejects.toThrow(/closed/);
    await expect(cache.writePage(HERE[0]!, page)).rejects.toThrow(/closed/);
  });
}
