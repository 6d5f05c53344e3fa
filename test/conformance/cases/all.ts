import { attentionCases } from "./attention.ts";
import type { OpCase } from "./case.ts";
import { expertOpCases } from "./experts.ts";
import { linearCases } from "./linear.ts";
import { rowOpCases } from "./rows.ts";

/** The one list of cases for every backend. */
export function allCases(): OpCase[] {
  return [...rowOpCases(), ...linearCases(), ...attentionCases(), ...expertOpCases()];
}
