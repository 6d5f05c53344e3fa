import { expect, test } from "vitest";
import type { ResponseObject } from "../protocol/responses-response.ts";
import { ResponseStore } from "./response-store.ts";

const stored = (id: string) => ({ response: { id } as ResponseObject, conversation: [] });

test("nobody finds the responses of another caller", () => {
  const store = new ResponseStore({ maxResponses: 4, maxSize: 1000 });
  store.put("alice", stored("a"));
  expect(store.get("alice", "a", "id").response.id).toBe("a");
  expect(() => store.get("bob", "a", "id")).toThrow(/no response/);
  expect(() => store.delete("bob", "a")).toThrow(/no response/);
});

test("what was used last stays", () => {
  const store = new ResponseStore({ maxResponses: 2, maxSize: 1000 });
  store.put("", stored("a"));
  store.put("", stored("b"));
  store.get("", "a", "id");
  store.put("", stored("c"));
  expect(() => store.get("", "b", "id")).toThrow();
  expect(store.get("", "a", "id")).toBeTruthy();
});

test("the size is bounded, also by a single response that is too large", () => {
  const store = new ResponseStore({ maxResponses: 100, maxSize: 120 });
  for (let i = 0; i < 50; i++) store.put("", stored(`response ${i}`));
  expect(store.size).toBeLessThanOrEqual(120);
  expect(store.size).toBeGreaterThan(0);
  store.put("", stored("x".repeat(200)));
  expect(store.size).toBe(0);
});

test("deleting gives the room back", () => {
  const store = new ResponseStore({ maxResponses: 2, maxSize: 1000 });
  store.put("", stored("a"));
  store.delete("", "a");
  expect(store.size).toBe(0);
});
