import { expect, test } from "vitest";
import { Embedding } from "./embedding.ts";
import { Pooler } from "./pooling.ts";
import { Sequence } from "./sequence.ts";

const STATES = Float32Array.of(1, 0, 0, 2, 3, 0, 0, 4, 5, 0); // five tokens of width 2

function embedding() {
  return new Embedding(new Sequence({ prompt: [1, 2, 3, 4, 5], maxLength: 5 }), new Pooler("mean", 2));
}

const rows = (from: number, to: number) => STATES.subarray(from * 2, to * 2);

test("states that are computed again after a pre-emption count once", async () => {
  const whole = embedding();
  whole.takeStates(STATES, 0);
  whole.advance();
  const interrupted = embedding();
  interrupted.takeStates(rows(0, 3), 0);
  interrupted.takeStates(rows(0, 2), 0);
  interrupted.takeStates(rows(2, 5), 2);
  interrupted.advance();
  expect(await interrupted.vector).toEqual(await whole.vector);
});

test("a step that fails is the vector's failure", async () => {
  const failed = embedding();
  failed.events.fail(new Error("broken"));
  await expect(failed.vector).rejects.toThrow("broken");
});
