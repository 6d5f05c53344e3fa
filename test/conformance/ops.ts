import { afterAll, beforeAll, describe, it } from "vitest";
import type { Backend, Numerics } from "../../src/tensor/backend.ts";
import { OP_KINDS, type OpKind } from "../../src/tensor/program.ts";
import { allCases } from "./cases/all.ts";
import { determinism } from "./contract/determinism.ts";
import { floatCodes } from "./contract/float-codes.ts";
import { orderAndLifetime, sharedCache } from "./contract/order.ts";
import { cachePages } from "./contract/pages.ts";
import { closing, description, refusals } from "./contract/refusals.ts";
import { harness } from "./contract/session.ts";
import { checkCase, unsupported } from "./execute.ts";
import { TOLERANCES } from "./tolerances.ts";

/** A case that a backend may fail for now, and why. */
export interface Waiver {
  readonly op: OpKind;
  /** Only with weights of this type; default all. */
  readonly dtype?: string;
  readonly reason: string;
}

/**
 * Holds a backend to the meaning of every op and to the contract of tensor/backend.ts. The judge is truth/: textbook
 * loops in f64. What the backend's capability table leaves out is skipped; of `fast`, the ops with a line in tolerances.ts are
 * judged.
 * @param open gives a new backend at every call
 */
export function opConformance(
  open: () => Promise<Backend>,
  waived: readonly Waiver[] = [],
  numerics: Numerics = "exact",
): void {
  const cases = allCases();
  for (const op of OP_KINDS.filter((kind) => TOLERANCES[numerics]?.some((line) => line.op === kind))) {
    describe(op, () => {
      let backend: Backend;
      beforeAll(async () => {
        backend = await open();
      });
      afterAll(() => backend.close());
      for (const c of cases.filter((one) => one.op === op)) {
        it(`${c.dtype ? `${c.dtype} ` : ""}${c.name}`, async (t) => {
          const waiver = waived.find((w) => w.op === op && (w.dtype ?? c.dtype) === c.dtype);
          const skip = waiver?.reason ?? unsupported(backend.describe(), c.build().program, numerics);
          if (skip) t.skip(skip);
          await checkCase(backend, c, numerics);
        });
      }
    });
  }
  const sessions = harness(open, numerics);
  describe("order and lifetime", () => orderAndLifetime(sessions));
  describe("shared cache", () => sharedCache(sessions));
  describe("pages of the cache", () => cachePages(sessions));
  describe("determinism", () => determinism(sessions));
  describe("codes of floats", () => floatCodes(sessions));
  describe("refusals", () => refusals(sessions));
  describe("closing", () => closing(sessions));
  describe("description", () => description(sessions));
}
