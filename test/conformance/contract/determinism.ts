import { expect } from "vitest";
import { ROW_GENERATED } from "../../../src/tensor/backend.ts";
import type { Program } from "../../../src/tensor/program.ts";
import { rowWidth } from "../../../src/tensor/program.ts";
import { batchOf, type Run } from "../cases/batches.ts";
import { Random } from "../random.ts";
import { attentionProgram, layerProgram, VOCAB } from "./programs.ts";
import { type Harness, PAGES, runAndRead, type Session } from "./session.ts";

/** Some texts, and whatever inputs a Program takes for them: the data of a row follow from its place in its text. */
class Texts {
  readonly #program: Program;
  readonly #count: number;

  /** @param count texts, among which the pages are divided */
  constructor(program: Program, count: number) {
    this.#program = program;
    this.#count = count;
  }

  /** Runs steps on a fresh cache. @returns each row's outputs by `sequence/position` */
  async run(
    session: Session,
    steps: readonly (readonly Run[])[],
    pages = PAGE_ORDER,
  ): Promise<Map<string, number[][]>> {
    const executable = await session.compile(this.#program);
    const share = Math.floor(PAGES / this.#count);
    const tables = Array.from({ length: this.#count }, (_, i) =>
      Int32Array.from(pages.slice(i * share, (i + 1) * share)),
    );
    const seen = new Map<string, number[][]>();
    for (const runs of steps) {
      const rows = runs.flatMap(({ sequence, from, count }) =>
        Array.from({ length: count }, (_, i) => ({ sequence, position: from + i })),
      );
      const tokens = rows.map((row) => new Random(seedOf(row)).below(VOCAB));
      const logitRows = rows.map((_, i) => i);
      const inputs = Object.fromEntries(
        [...this.#program.inputs].map(([name, value], k) => [
          name,
          Float32Array.from(rows.flatMap((row) => [...new Random(seedOf(row) + k).normals(rowWidth(value))])),
        ]),
      );
      const outputs = Object.values(await runAndRead(executable, batchOf(runs, tables, { tokens, logitRows }), inputs));
      expect(outputs.flat().every(Number.isFinite)).toBe(true);
      for (const [i, { sequence, position }] of rows.entries()) {
        const own = outputs.map((values) => {
          const width = values.length / rows.length;
          return values.slice(i * width, (i + 1) * width);
        });
        seen.set(`${sequence}/${position}`, own);
      }
    }
    executable.close();
    return seen;
  }
}

const PAGE_ORDER = Array.from({ length: PAGES }, (_, i) => i);

function seedOf({ sequence, position }: { sequence: number; position: number }): number {
  return 1000 * (sequence + 1) + 10 * position;
}

const generated = { kind: ROW_GENERATED };

/** The same bits for a row, whatever else is in the step: what `same text, alone or among others` rests on. */
export function determinism({ test }: Harness): void {
  const dtypes = ["F32", "F16", "BF16", "F8_E4M3", "Q8_0", "Q4_K"] as const;
  const programs = [attentionProgram(), ...dtypes.map(layerProgram)];
  for (const program of programs) {
    const texts = new Texts(program, 3);
    const same = (title: string, body: (session: Session) => Promise<void>) => {
      test(`${program.name}: ${title}`, [program], body);
    };

    same("a step repeated gives the same bits", async (s) => {
      const steps = [[{ sequence: 0, from: 0, count: 17 }]];
      expect(await texts.run(s, steps)).toEqual(await texts.run(s, steps));
    });

    same("a row gives the same bits alone and among rows of other sequences", async (s) => {
      const [a, b, c] = [13, 33, 3].map((count, sequence) => ({ sequence, from: 0, count }));
      const next = (sequence: number, from: number) => ({ sequence, from, count: 1, ...generated });
      const together = await texts.run(s, [
        [b!, a!],
        [next(1, 33), c!, next(0, 13)],
        [next(0, 14), next(1, 34), next(2, 3)],
      ]);
      const alone = [
        await texts.run(s, [[a!], [next(0, 13)], [next(0, 14)]]),
        await texts.run(s, [[b!], [next(1, 33)], [next(1, 34)]]),
        await texts.run(s, [[c!], [next(2, 3)]]),
      ];
      expect(together).toEqual(new Map(alone.flatMap((rows) => [...rows])));
    });

    same("a prompt gives the same bits however it is cut", async (s) => {
      const whole = await texts.run(s, [[{ sequence: 0, from: 0, count: 29 }]]);
      for (const sizes of [
        [1, 28],
        [16, 13],
        [7, 8, 14],
      ]) {
        let from = 0;
        const steps = sizes.map((count) => {
          from += count;
          return [{ sequence: 0, from: from - count, count }];
        });
        expect(await texts.run(s, steps), `cut into ${sizes}`).toEqual(whole);
      }
    });

    same("drafts verified together give the same bits as tokens one by one", async (s) => {
      const prompt = [{ sequence: 0, from: 0, count: 9 }];
      const together = await texts.run(s, [prompt, [{ sequence: 0, from: 9, count: 5, ...generated }]]);
      const singly = [9, 10, 11, 12, 13].map((from) => [{ sequence: 0, from, count: 1, ...generated }]);
      expect(await texts.run(s, [prompt, ...singly])).toEqual(together);
    });

    same("the ids of a sequence's pages do not matter", async (s) => {
      const steps = [[{ sequence: 0, from: 0, count: 21 }], [{ sequence: 0, from: 21, count: 1, ...generated }]];
      const shuffled = new Random(9).shuffled(PAGE_ORDER);
      expect(await texts.run(s, steps, shuffled)).toEqual(await texts.run(s, steps));
    });
  }

  const far = attentionProgram();
  test("a long prompt gives the same bits cut at, before and after position 256", [far], async (s) => {
    const text = new Texts(far, 1);
    const whole = await text.run(s, [[{ sequence: 0, from: 0, count: 300 }]]);
    for (const cut of [255, 256, 257]) {
      const steps = [[{ sequence: 0, from: 0, count: cut }], [{ sequence: 0, from: cut, count: 300 - cut }]];
      expect(await text.run(s, steps), `cut at ${cut}`).toEqual(whole);
    }
  });
}
