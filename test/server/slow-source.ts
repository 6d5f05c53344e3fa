import type { ModelSource } from "../../src/server/model-slot.ts";
import { ScriptedModel } from "./scripted-model.ts";

/** A scripted model whose loading ends when it is let go. */
export function slowSource(name: string, scripted = new ScriptedModel()) {
  let letGo = () => {};
  const free = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const model = Object.assign(scripted, { id: name });
  const source: ModelSource = {
    name,
    describe: async () => ({ ...model, bytes: 1 }),
    load: async () => {
      await free;
      return { model, bytes: 1, close: async () => {} };
    },
  };
  return { source, letGo, model };
}
