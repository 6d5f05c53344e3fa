import { it } from "vitest";
import { readdirSync } from "node:fs";
import { openReference } from "../../src/backends/reference/backend.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { openFolder } from "../../src/formats/file-source.ts";
import { openCheckpoint } from "../../src/model/checkpoint.ts";
import { readGolden } from "./golden-file.ts";
import { logitsInChunks, greedyTokens } from "./steps.ts";
import { rows, argmax, median, rowDifferences, worstDifference, wrongIds } from "./measure.ts";
const dir = "/work/shared/fixtures/gguf";
for (const f of readdirSync(dir).filter((n) => n.endsWith(".gguf") && !/-0000[23]-of/.test(n))) it(f, async () => {
  const t0 = performance.now();
  const g = await readGolden(`${dir}/${f}.golden.safetensors`);
  const cp = await openCheckpoint(openFolder(dir), f);
  const be = openReference();
  const r = await NetworkRunner.load(cp, be, { pages: 11, maxRows: 64 });
  const ids = g.get("input_ids")!.values as Int32Array, lids = g.get("long_input_ids")!.values as Int32Array;
  const short = await logitsInChunks(r, ids, 64, 0);
  const t1 = performance.now();
  const long = (await logitsInChunks(r, lids, 64, 0)).slice(-8 * 512);
  const t2 = performance.now();
  const greedy = await greedyTokens(r, ids, 32);
  const t3 = performance.now();
  const ll = g.get("logits_llamacpp") ?? g.get("logits_last8_llamacpp")!;
  const mine = short.slice(-ll.values.length);
  const agree = rows(mine, 512).filter((row, i) => argmax(row) === argmax(rows(ll.values, 512)[i]!)).length;
  const lg = g.get("greedy_ids_llamacpp")!.values as Int32Array;
  const forced = (await logitsInChunks(r, Int32Array.from([...ids, ...lg]), 64, 0)).slice((ids.length - 1) * 512, -512);
  const regret = rows(forced, 512).map((row, i) => row[argmax(row)]! - row[lg[i]!]!);
  console.log(f, "oracle", worstDifference(short, g.get("logits_dequant_f32")!.values).toExponential(1), worstDifference(long, g.get("long_logits_last8_dequant_f32")!.values).toExponential(1), "greedy", wrongIds(greedy, g.get("greedy_ids_dequant_f32")!.values),
   "llama max", worstDifference(mine, ll.values).toFixed(5), "med", median(rowDifferences(mine, ll)).toFixed(5), "agree", agree, "/", ll.shape[0], "long", worstDifference(long, g.get("long_logits_last8_llamacpp")!.values).toFixed(5), median(rowDifferences(long, g.get("long_logits_last8_llamacpp")!)).toFixed(4), "greedy diff", wrongIds(greedy, lg), "regret max", Math.max(...regret).toFixed(3), "n>0", regret.filter((x) => x > 0).length,
   "ms", (t1 - t0).toFixed(0), (t2 - t1).toFixed(0), (t3 - t2).toFixed(0));
  be.close(); await cp.close();
});
