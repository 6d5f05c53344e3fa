import { startProgram } from "../../scripts/start-program.mjs";
import { DEEPTS } from "../peers/engines.mjs";

/**
 * A server in one configuration.
 * @typedef {object} Server
 * @property {string} name
 * @property {string} how its flags or settings, for people
 * @property {(file: string, settings: Settings) => Promise<Running>} start
 *
 * @typedef {{ threads: number, places: number, context: number }} Settings
 * places: answers made at the same time; context: tokens of each
 *
 * @typedef {{ url: string, facts: object, close(): Promise<void> }} Running
 */

/** @returns {Server} */
export function deeptsServer() {
  const start = async (file, { threads, places, context }) => {
    const flags = { model: file, port: 0, threads, parallel: places, "ctx-size": context };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { url, said, close } = await startProgram([...DEEPTS, "serve", ...args]);
    return { url, close, facts: { memory: said.match(/memory: (.*)/)?.[1] } };
  };
  return { name: "DeepTS", how: "default numerics", start };
}

/**
 * llama-server with flash attention off and on; it repacks weights and batches continuously by itself. Slots that share one
 * cache (-kvu) are what it takes for itself where -np is left out.
 * @param {string} program
 * @returns {Server[]}
 */
export function llamaServers(program) {
  return ["off", "on"].map((flashAttention) => {
    const how = `-fa ${flashAttention}`;
    const start = async (file, { threads, places, context }) => {
      const sizes = ["-t", threads, "-np", places, "-c", places * context].map(String);
      const quiet = ["--no-webui", "--host", "127.0.0.1", "--port", "0"];
      const { url, close } = await startProgram([program, "-m", file, ...sizes, ...how.split(" "), ...quiet]);
      const props = await (await fetch(`${url}/props`)).json();
      return { url, close, facts: { commit: props.build_info ?? null, slots: props.total_slots } };
    };
    return { name: "llama-server", how, start };
  });
}
