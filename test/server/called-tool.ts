/** Pieces of an answer that says something, then calls get_time of UTC in the form of V3.1. */
export const TOOL_CALL = [
  "Let me see.",
  "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_time<｜tool▁sep｜>",
  '{"zone":',
  ' "UTC"}',
  "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
];
