import { describe, expect, it } from "vitest";
import { StepQueue } from "./step-queue.ts";

describe("the queue of steps", () => {
  it("runs steps in the order of the calls, one at a time", async () => {
    const queue = new StepQueue();
    const seen: string[] = [];
    const step = (name: string) => async () => {
      seen.push(`${name} starts`);
      await Promise.resolve();
      seen.push(`${name} ends`);
    };
    await Promise.all([queue.run(step("a")), queue.run(step("b"))]);
    expect(seen).toEqual(["a starts", "a ends", "b starts", "b ends"]);
  });

  it("goes on after a step that failed", async () => {
    const queue = new StepQueue();
    await expect(queue.run(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    expect(await queue.run(async () => "next")).toBe("next");
  });

  it("lets a timer fire between steps that are each too short to yield", async () => {
    const queue = new StepQueue();
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 0);
    for (let steps = 0; !fired && steps < 2_000_000; steps++) await queue.run(() => queue.yieldWhenDue());
    expect(fired).toBe(true);
  });
});
