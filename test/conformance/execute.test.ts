import { describe, expect, it } from "vitest";
import { openReference } from "../../src/backends/reference/backend.ts";
import { layerProgram } from "./contract/programs.ts";
import { unsupported } from "./execute.ts";

describe("unsupported", () => {
  const program = layerProgram("Q4_K");
  const caps = openReference().describe();

  it("lets a Program run for which the capability table has everything", () => {
    expect(unsupported(caps, program, "exact")).toBeNull();
  });

  it("names the op, type of weight or cache, or numerics that the table lacks", () => {
    const without = <T>(all: ReadonlySet<T>, one: T) => new Set([...all].filter((entry) => entry !== one));
    const lacks = "absent from the capability table of reference: ";
    expect(unsupported(caps, program, "fast")).toBe(`${lacks}fast numerics`);
    expect(unsupported({ ...caps, ops: without(caps.ops, "swiglu") }, program, "exact")).toBeNull();
    expect(unsupported({ ...caps, ops: without(caps.ops, "rope") }, program, "exact")).toBe(`${lacks}op rope`);
    const weightDTypes = without(caps.weightDTypes, "Q4_K");
    expect(unsupported({ ...caps, weightDTypes }, program, "exact")).toBe(`${lacks}Q4_K weights`);
    expect(unsupported({ ...caps, cacheDTypes: new Set(["f16"]) }, program, "exact")).toBe(`${lacks}f32 cache`);
  });
});
