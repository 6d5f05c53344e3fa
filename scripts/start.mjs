// `npm start`: sets up what is missing, then is `deepts serve` with the given arguments, in this same process: signals
// reach the server as they are and nothing is left behind.
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

/** A signal sent to npm alone ends the shell between npm and us, and some shells do not pass it on. */
function endWithShell() {
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, 500);
  watch.unref();
}

if (process.env.npm_lifecycle_event === "start") endWithShell();
const code = await setup();
if (code === 0) {
  const command = new URL("../bin/deepts.mjs", import.meta.url);
  process.argv = [process.execPath, fileURLToPath(command), "serve", ...process.argv.slice(2)];
  await import(command.href);
} else {
  process.exitCode = code;
}
