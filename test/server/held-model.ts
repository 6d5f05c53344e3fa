import { ScriptedModel } from "./scripted-model.ts";

/** A model that tells its first event, and goes on when it is let go. */
export class HeldModel extends ScriptedModel {
  letGo = () => {};
  readonly #free = new Promise<void>((resolve) => {
    this.letGo = resolve;
  });

  override async *generate(...parameters: Parameters<ScriptedModel["generate"]>) {
    for await (const event of super.generate(...parameters)) {
      yield event;
      await this.#free;
    }
  }
}
