import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { fixture } from "../shared-fixtures.ts";

/** A model that knows no end token: its answers go on until the context is full. It is removed after the test. */
export function endlessModel(): string {
  const model = fixture("v3-tiny")!;
  const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-endless-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ["model.safetensors", "tokenizer.json"])
    symlinkSync(path.join(model, name), path.join(folder, name));
  for (const [name, field] of [
    ["config.json", "eos_token_id"],
    ["tokenizer_config.json", "eos_token"],
  ] as const) {
    const config = JSON.parse(readFileSync(path.join(model, name), "utf8"));
    delete config[field];
    writeFileSync(path.join(folder, name), JSON.stringify(config));
  }
  return folder;
}
