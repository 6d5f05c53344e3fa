// `npm run bench:serve -- [--only PART,PART]`: `deepts serve` beside llama-server on the same file, threads and machine, in turns,
// over HTTP, and one JSON file of it. Close everything else first. LLAMA_SERVER names llama-server (default: beside LLAMA_BENCH).
import path from "node:path";
import { say } from "../../scripts/run.mjs";
import { llamaProgram, runParts } from "../peers/run-parts.mjs";
import { measureSecondTurn } from "./second-turn.mjs";
import { deeptsServer, llamaServers } from "./servers.mjs";
import { measureStreams } from "./streams.mjs";

const STREAMS = { places: 8, prompt: 128, generate: 64, rounds: 3, repeat: 2 };
const TURNS = { history: 2000, answer: 32, question: 16, rounds: 2, repeat: 2 };

/** A part is a function of the run, so that --only chooses. */
const PARTS = {
  "serve-8": (run) => measure(run, measureStreams, { ...STREAMS, streams: 8 }),
  "serve-1": (run) => measure(run, measureStreams, { ...STREAMS, streams: 1 }),
  "second-turn": (run) => measure(run, measureSecondTurn, TURNS),
};

async function measure(run, how, work) {
  const file = await run.model("lite6", "Q4_K_M");
  const servers = [deeptsServer(), ...llamaServers(process.env.LLAMA_SERVER || llamaProgram("llama-server"))];
  return { file: path.basename(file), ...(await how(servers, file, { ...work, threads: run.threads }, say)) };
}

process.exitCode = await runParts("bench:serve", PARTS);
