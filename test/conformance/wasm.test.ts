import { describe, expect, it } from "vitest";
import { problemOf, WASM_TARGETS } from "../../src/backends/wasm/backend.ts";
import { NO_WASM, openNodeWasm } from "../wasm-module.ts";
import { opConformance } from "./ops.ts";

const targets = WASM_TARGETS.filter((target) => problemOf(target) === null);

if (NO_WASM !== null) it("the wasm backend conforms", (t) => t.skip(NO_WASM ?? undefined));
else {
  describe.each(targets)("target %s", (target) => {
    describe.each([1, 2])("with %i threads", (threads) => {
      it("is the one that runs", async () => {
        const backend = await openNodeWasm({ target, threads });
        expect(backend.describe().device).toBe(`${target}, ${threads === 1 ? "one thread" : "2 threads"}`);
        backend.close();
      });

      opConformance(() => openNodeWasm({ target, threads }));
    });
    describe("fast numerics", () => opConformance(() => openNodeWasm({ target, threads: 2 }), [], "fast"));
  });
}
