import { describe, expect, it } from "vitest";
import { type Outcome, summarise } from "./reporter-summary.ts";
import { missing } from "./skip.ts";

const pass: Outcome = { title: "a > passes", state: "passed" };
const skip = (reason?: string): Outcome => ({ title: "a > skips", state: "skipped", reason });
const golden = (what: string, worst: number, tolerance: number, folder = "v3-tiny"): Outcome => ({
  ...pass,
  golden: [{ folder, what, worst, tolerance, compared: 2 }],
});

describe("the report of a run", () => {
  it("ends with the plain closing line", () => {
    const { lines, ok } = summarise([pass, pass, { title: "a > fails", state: "failed" }, skip("slow")], false);
    expect(lines.at(-1)).toBe("2 passed, 1 failed, 1 skipped");
    expect(ok).toBe(false);
  });

  it("fails where no test ran", () => {
    expect(summarise([], false)).toEqual({ lines: ["0 passed, 0 failed, 0 skipped"], ok: false });
    expect(summarise([skip("slow")], false).ok).toBe(false);
  });

  it("lists skips by reason with counts, the most frequent first", () => {
    const { lines, ok } = summarise([pass, skip("one"), skip("two"), skip("two"), skip()], false);
    expect(lines.slice(0, 4)).toEqual(["Skipped:", "     2  two", "     1  one", "     1  no reason given"]);
    expect(ok).toBe(true);
  });

  it("in CI counts a skip for want of a tool, or without a reason, as a failure", () => {
    const { lines, ok } = summarise([pass, skip(missing("a GPU")), skip(), skip("not in this layout")], true);
    expect(lines.at(-1)).toBe("1 passed, 2 failed, 1 skipped");
    expect(lines.filter((line) => line.startsWith("FAIL"))).toHaveLength(2);
    expect(ok).toBe(false);
  });

  it("prints of each golden folder the error that uses most of its tolerance", () => {
    const { lines } = summarise(
      [golden("logits", 1e-5, 2e-4), golden("hidden.3", 1e-5, 2e-5), golden("Q4_K", 0, 0, "dequant")],
      false,
    );
    expect(lines.slice(0, 4)).toEqual([
      "Golden values:",
      "  folder   arrays  worst error  tolerance  used  in",
      "  dequant  2       0.0e+0       0.0e+0     0%    Q4_K",
      "  v3-tiny  4       1.0e-5       2.0e-5     50%   hidden.3",
    ]);
  });

  it("shows a NaN as the worst error of its folder", () => {
    const { lines } = summarise([golden("logits", Number.NaN, 1e-4), golden("mtp", 1, 1e-4)], false);
    expect(lines[2]).toMatch(/NaN .* logits$/);
  });
});
