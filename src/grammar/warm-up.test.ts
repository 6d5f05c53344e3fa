import { expect, it, vi } from "vitest";
import { Budget } from "./budget.ts";
import { warmUp } from "./warm-up.ts";

it("goes through the compiler, and ends where the server does", async () => {
  const spend = vi.spyOn(Budget.prototype, "spend");
  await warmUp(AbortSignal.abort());
  expect(spend).not.toHaveBeenCalled();
  await warmUp(new AbortController().signal);
  expect(spend).toHaveBeenCalled();
});
