import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TestIo } from "../../test/cli/test-io.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";

describe("Interrupts", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("abort the command with the first signal and leave a later one to the process", () => {
    const io = new TestIo();
    const interrupts = new Interrupts(io);
    io.send("SIGTERM");
    expect(interrupts.signal.reason).toEqual(new Interrupted("SIGTERM"));
    expect(io.handlesSignals, "the same signal, passed on by npm").toBe(true);
    vi.advanceTimersByTime(1000);
    expect(io.handlesSignals).toBe(false);
  });

  it("give SIGINT to who asked for it, but never SIGTERM", () => {
    const io = new TestIo();
    const interrupts = new Interrupts(io);
    let count = 0;
    interrupts.handleWith(() => count++);
    io.send("SIGINT");
    io.send("SIGINT");
    expect([count, interrupts.signal.aborted]).toEqual([2, false]);
    io.send("SIGTERM");
    expect([count, interrupts.signal.reason]).toEqual([2, new Interrupted("SIGTERM")]);
  });

  it("end the command with SIGINT again, once nobody asks for it", () => {
    const io = new TestIo();
    const interrupts = new Interrupts(io);
    interrupts.handleWith(() => {});
    interrupts.handleWith(null);
    io.send("SIGINT");
    expect(interrupts.signal.reason).toEqual(new Interrupted("SIGINT"));
  });

  it("leave nothing behind when closed", () => {
    const io = new TestIo();
    const interrupts = new Interrupts(io);
    io.send("SIGINT");
    interrupts.close();
    expect([io.handlesSignals, vi.getTimerCount()]).toEqual([false, 0]);
  });
});
