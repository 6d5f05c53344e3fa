import { chromium } from "playwright-core";
import { chromium as chromiumFile } from "../../scripts/fetch-test-tools.mjs";
import { missing } from "../skip.ts";
import { NO_WASM } from "../wasm-module.ts";

const file = chromiumFile();

/** Why tests in a browser are skipped, or null. */
export const NO_CHROMIUM = file === null ? missing("Chromium (node scripts/fetch-test-tools.mjs)") : null;

/** The same for those that compute in it. */
export const NO_BROWSER = NO_CHROMIUM ?? NO_WASM;

/** Headless, without a sandbox: it needs rights that containers lack, and only our own pages are opened. */
export const openChromium = () => chromium.launch({ executablePath: file!, args: ["--no-sandbox"] });
