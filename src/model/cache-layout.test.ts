import { describe, expect, it } from "vitest";
import { DEEPSEEK_V3, DEEPSEEK_V32, R1_DISTILL_QWEN_7B } from "../../test/published-configs.ts";
import type { CacheDType } from "../tensor/program.ts";
import { cacheLayout } from "./cache-layout.ts";
import { configFromHf } from "./config-hf.ts";

const layout = (json: unknown, dtype?: CacheDType) => cacheLayout(configFromHf(json, "config.json"), dtype);
const widths = (json: unknown) => layout(json).layers[0]!.map(({ name, width }) => [name, width]);

describe("the cache of a token", () => {
  it("holds 576 values a layer for DeepSeek-V3: the latent and one rope key for all heads", () => {
    expect(widths(DEEPSEEK_V3)).toEqual([
      ["latent", 512],
      ["kRope", 64],
    ]);
  });

  it("holds one indexer key more for V3.2", () => {
    expect(widths(DEEPSEEK_V32)).toEqual([
      ["latent", 512],
      ["kRope", 64],
      ["indexKey", 128],
    ]);
  });

  it("holds keys and values of the key heads for the R1 distils", () => {
    expect(widths(R1_DISTILL_QWEN_7B)).toEqual([
      ["key", 512],
      ["value", 512],
    ]);
  });

  it("keeps rope and indexer keys in f16 where the latent is q8_0", () => {
    const dtypes = layout(DEEPSEEK_V32, "q8_0").layers[0]!.map(({ dtype }) => dtype);
    expect(dtypes).toEqual(["q8_0", "f16", "f16"]);
  });

  it("has a layer for each decoder layer and each MTP layer, in the type asked for", () => {
    expect(layout(DEEPSEEK_V3).layers).toHaveLength(62);
    expect(layout({ ...DEEPSEEK_V3, num_nextn_predict_layers: 0 }).layers).toHaveLength(61);
    expect(
      new Set(
        layout(DEEPSEEK_V3, "f16")
          .layers.flat()
          .map(({ dtype }) => dtype),
      ),
    ).toEqual(new Set(["f16"]));
  });

  it("comes in pages that divide the 256 positions at which attention splits", () => {
    expect(256 % layout(DEEPSEEK_V3).pageSize).toBe(0);
  });
});
