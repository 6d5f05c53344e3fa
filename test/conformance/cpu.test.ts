import { describe, expect, it } from "vitest";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { NO_CPU, runnableTargets } from "../cpu-targets.ts";
import { opConformance } from "./ops.ts";

if (NO_CPU !== null) it("the cpu backend conforms", (t) => t.skip(NO_CPU ?? undefined));

describe.each(runnableTargets())("target %s", (target) => {
  it("is the one that runs", () => {
    const backend = openCpu({ target });
    expect(backend.describe().device).toMatch(new RegExp(`^${target}, `));
    backend.close();
  });

  opConformance(async () => openCpu({ target, threads: 2 }));
  describe("fast numerics", () => opConformance(async () => openCpu({ target, threads: 2 }), [], "fast"));
});
