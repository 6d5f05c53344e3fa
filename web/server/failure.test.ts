import { expect, test } from "vitest";
import { failureOf } from "./failure.ts";

const body = (message: string, code: string | null = null) =>
  JSON.stringify({ error: { message, code, type: "invalid_request_error", param: null } });

test.each([
  [400, body("'temperature' is too large", null), "refused", /refused.*'temperature' is too large/],
  [400, body("700 tokens, 512 fit", "context_length_exceeded"), "refused", /too long.*700 tokens.*Start a new one/],
  [401, body("the API key is wrong"), "key", /API key: the API key is wrong/],
  [429, body("the limit is reached"), "busy", /limit is reached\. Try again soon/],
  [503, body("the queue is full."), "busy", /the queue is full\. Try/],
  [500, body("the server failed"), "failed", /the server failed/],
  [502, "<html>Bad gateway</html>", "failed", /HTTP status 502/],
  [404, "[null]", "refused", /HTTP status 404/],
])("status %s is told as what it is: %s", (status, text, kind, says) => {
  expect(failureOf(status, text)).toEqual({ kind, message: expect.stringMatching(says) });
});

test("a busy server says when to come back, unless it says so in another way", () => {
  expect(failureOf(503, body("full"), "7").message).toContain("again in 7 s");
  expect(failureOf(503, body("full"), "Fri, 31 Dec 1999 23:59:59 GMT").message).toContain("again soon");
});
