import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { say } from "./run.mjs";

/**
 * Runs `work` while no other process holds `file`, which names the holder; a holder that died loses it.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, work) {
  mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  while (!acquire(file)) {
    if (!told) say(`another set-up is under way, waiting for it (if there is none, remove ${file})`);
    told = true;
    await delay(200);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function acquire(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  if (holderIsGone(file)) rmSync(file, { force: true });
  return false;
}

function holderIsGone(file) {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    if (pid === 0) return false; // made this instant, its number not yet written
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}
