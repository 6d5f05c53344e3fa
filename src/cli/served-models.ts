import type { Engine } from "../engine/engine.ts";
import { describeModel, type LoadedModel, type LoadOptions, loadModel, modelName } from "../node.ts";
import type { ModelSource, OpenModel } from "../server/model-slot.ts";
import { processBytes } from "../tensor/memory-use.ts";
import { formatBytes } from "./bytes.ts";
import type { Invocation } from "./command.ts";
import { UsageError } from "./exit-codes.ts";
import { loadShowing } from "./loading.ts";

/** A model that is to be served; a path of undefined is the embedded one. */
export interface NamedModel {
  readonly name: string;
  readonly path: string | undefined;
}

/** `name=path`. What begins with . or / is a path, whatever follows. */
const NAMED = /^([A-Za-z0-9][\w.:@/-]{0,127})=(.*)$/s;

/**
 * The models of `--model`: paths, or names and paths.
 * @throws UsageError for a name without a path, or one that is given twice
 */
export function namedModels(given: readonly string[]): NamedModel[] {
  if (given.length === 0) return [{ name: modelName(), path: undefined }];
  const models = given.map((text) => {
    const [, name, path] = NAMED.exec(text) ?? [];
    if (name === undefined) return { name: modelName(text), path: text };
    if (path === "") throw new UsageError(`--model: ${name}= wants a path behind it`);
    return { name, path };
  });
  const names = models.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return models;
  throw new UsageError(`--model: two models are called ${twice}: name each differently, as in --model small=PATH`);
}

/** A model for the server, which says on stderr when it has been loaded. */
export function modelSource(
  { name, path }: NamedModel,
  options: LoadOptions,
  { stderr }: Pick<Invocation<unknown>, "stderr">,
): ModelSource {
  const named = { ...options, name };
  return {
    name,
    async describe() {
      const { description, modified: created, contextSize, bytes } = await describeModel(path, named);
      return { description, created, contextSize, bytes };
    },
    async load(signal): Promise<OpenModel> {
      const load = (watch: object) => loadModel(path, { ...named, ...watch });
      const loaded = await loadShowing({ stderr, signal }, load);
      const { close, engine } = loaded;
      try {
        for (const line of introduction(loaded)) await stderr.line(line);
      } catch (error) {
        await close();
        throw error;
      }
      return { model: engine, bytes: processBytes(engine.memory), close };
    },
  };
}

function introduction({ engine, notes }: LoadedModel): string[] {
  return [`model ${engine.id}`, engine.description, ...notes, memoryOf(engine)].filter((line) => line !== "");
}

function memoryOf({ memory, contextSize }: Engine): string {
  const { weights, mapped, tables, cache, scratch } = memory;
  const file = mapped + tables > 0 ? ` and ${formatBytes(mapped + tables)} of the file` : "";
  const parts = `weights ${formatBytes(weights)}${file}, cache ${formatBytes(cache)}, scratch ${formatBytes(scratch)}`;
  return `context ${contextSize} tokens; memory: ${parts}`;
}
