// Lets worker threads of the tests load the TypeScript sources on a Node that does not strip types by itself (< 22.18).
import { register } from "node:module";

if (!process.features.typescript) register("./typescript-hooks.mjs", import.meta.url);
