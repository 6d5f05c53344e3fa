import * as z from "zod";

/** GET /health: 200 once the model answers, 503 before, 500 when it could not be loaded. */
export const health = z.discriminatedUnion("status", [
  z.object({ status: z.literal("ok"), model: z.string() }),
  z.object({ status: z.literal("loading") }),
  z.object({ status: z.literal("failed"), message: z.string() }),
]);

export type Health = z.output<typeof health>;
