import { afterAll, describe, expect, it } from "vitest";
import { TextError } from "../errors.ts";
import { nodeTemplateThread } from "./template-node.ts";
import { TemplateWorker } from "./template-worker.ts";

describe("TemplateWorker", () => {
  const worker = new TemplateWorker(nodeTemplateThread());
  afterAll(() => worker.close());

  it("renders in a thread", async () => {
    expect(await worker.render("Hello {{ name }}{% if x %}!{% endif %}", { name: "world", x: true })).toBe(
      "Hello world!",
    );
  });

  it("hands the template's own error over as a TextError and goes on", async () => {
    await expect(worker.render("{{ raise_exception('no tools') }}", {})).rejects.toThrow(
      new TextError("chat template: no tools"),
    );
    expect(await worker.render("still {{ 1 }}", {})).toBe("still 1");
  });

  it("renders requests that come together each with its own variables", async () => {
    const texts = await Promise.all([1, 2, 3, 4].map((n) => worker.render("n={{ n }}", { n })));
    expect(texts).toEqual(["n=1", "n=2", "n=3", "n=4"]);
  });

  it("refuses variables that cannot be sent to a thread", async () => {
    await expect(worker.render("x", { f: () => 1 })).rejects.toThrow(TextError);
    expect(await worker.render("ok", {})).toBe("ok");
  });

  it("ends a template that takes too long, and serves the next one", async () => {
    const strict = new TemplateWorker(nodeTemplateThread(), { timeLimit: 1000 });
    const loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    const slow = strict.render(loop, {});
    const after = strict.render("after", {});
    await expect(slow).rejects.toThrow(/stopped after/);
    expect(await after).toBe("after");
    await strict.close();
  });

  it("ends a template that fills memory, and serves the next one", async () => {
    const small = new TemplateWorker(nodeTemplateThread(32), { timeLimit: 60_000 });
    const hoard = `{% set ns = namespace(all=[]) %}{% for i in range(99999) %}{% set ns.all = ns.all + [range(99999)] %}{% endfor %}`;
    await expect(small.render(hoard, {})).rejects.toThrow(/memory/);
    expect(await small.render("after", {})).toBe("after");
    await small.close();
  });

  it("fails what waits when it is closed, and everything afterwards", async () => {
    const closing = new TemplateWorker(nodeTemplateThread());
    const waiting = [closing.render("a", {}), closing.render("b", {})].map((p) => expect(p).rejects.toThrow(/closed/));
    await closing.close();
    await Promise.all(waiting);
    await expect(closing.render("c", {})).rejects.toThrow(/closed/);
    await closing.close();
  });
});
