import { describe, expect, it, onTestFinished, vi } from "vitest";
import { TimeLimits } from "./time-limits.ts";

const TIMEOUT = { status: 504, code: "timeout" };
const CLOSED = { status: 503, code: "shutting_down" };

function useFakeTime(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
}

describe("the time of a request", () => {
  it("ends it when it is up, not before", () => {
    useFakeTime();
    const limit = new TimeLimits().begin(100);
    vi.advanceTimersByTime(99);
    limit.check();
    expect(limit.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(limit.signal.reason).toMatchObject(TIMEOUT);
    expect(() => limit.check()).toThrow("not complete within 100 ms");
  });

  it("is up also where the timer is late", () => {
    useFakeTime();
    const late = vi.spyOn(performance, "now");
    const limit = new TimeLimits().begin(100);
    late.mockReturnValue(performance.now() + 100);
    expect(() => limit.check()).toThrow("not complete within 100 ms");
    expect(limit.signal.reason).toMatchObject(TIMEOUT);
    limit.end();
  });

  it("leaves nothing behind when the request has ended", () => {
    useFakeTime();
    const limits = new TimeLimits();
    const limit = limits.begin(100);
    limit.end();
    expect(vi.getTimerCount()).toBe(0);
    limits.close();
    expect(limit.signal.aborted).toBe(false);
  });

  it("ends for all when they are closed, and none begins after that", () => {
    const limits = new TimeLimits();
    const both = [limits.begin(), limits.begin()];
    limits.close();
    for (const { signal } of both) expect(signal.reason).toMatchObject(CLOSED);
    expect(() => limits.begin()).toThrow("shutting down");
  });

  it.each([0, -1, Number.NaN, 2 ** 31])("of %s ms is refused by name", (ms) => {
    expect(() => new TimeLimits().begin(ms)).toThrow(/timeoutMs.*above 0/);
  });
});
