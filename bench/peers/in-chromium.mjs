// Engines of a page, measured in headless Chromium on the same page: DeepTS on its wasm backend, and npm's wllama.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { chromium as chromiumFile } from "../../scripts/fetch-test-tools.mjs";
import { root } from "../../scripts/run.mjs";
import { serveFiles } from "../../scripts/static-server.mjs";
import { runProgram } from "./program.mjs";
import { wordsOf } from "./words.mjs";

const WLLAMA = "3.13.0";
const wllamaFolder = path.join(root, ".cache", "peers", `wllama-${WLLAMA}`);

/** @returns {import("./engines.mjs").Engine} */
export function deeptsInChromium() {
  return { name: "DeepTS", how: "wasm backend, default numerics", measure: measureOn("deepts", {}) };
}

/** wllama on the CPU, with flash attention off and on. @returns {Promise<import("./engines.mjs").Engine[]>} */
export async function wllama(say) {
  if (!existsSync(path.join(wllamaFolder, "node_modules"))) {
    say(`installing wllama ${WLLAMA} (16 MB)`);
    mkdirSync(wllamaFolder, { recursive: true });
    writeFileSync(path.join(wllamaFolder, "package.json"), '{ "private": true }\n');
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    await runProgram(["npm", "install", "--prefix", wllamaFolder, ...flags, `@wllama/wllama@${WLLAMA}`]);
  }
  return [false, true].map((flashAttention) => ({
    name: "wllama",
    how: `${WLLAMA}, flash attention ${flashAttention ? "on" : "off"}`,
    measure: measureOn("wllama", { release: WLLAMA, flashAttention }),
  }));
}

/** A browser, a page and a model of its own for each measurement. */
function measureOn(engine, settings) {
  return async (file, work) => {
    if (work.depth !== 0) throw new Error("engines in a page are measured at depth 0 only");
    const program = chromiumFile();
    if (program === null) throw new Error("there is no Chromium: node scripts/fetch-test-tools.mjs");
    const folders = {
      "/dist/": path.join(root, "dist"),
      "/build/wasm/": path.join(root, "build", "wasm"),
      "/page/": path.join(root, "bench", "peers", "page"),
      "/wllama/": path.join(wllamaFolder, "node_modules", "@wllama", "wllama", "esm"),
      "/model/": path.dirname(file),
    };
    const server = await serveFiles(folders, { isolated: true });
    const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(0);
      await page.goto(`${server.url}/page/`);
      const args = { engine, model: `/model/${path.basename(file)}`, words: await wordsOf(file), work, settings };
      const measured = await page.evaluate(`measure(${JSON.stringify(args)})`);
      return { ...measured, facts: { chromium: browser.version(), ...settings, ...measured.facts } };
    } finally {
      await browser.close();
      await server.close();
    }
  };
}
