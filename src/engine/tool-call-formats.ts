/** How a family of models marks tool calls: a section of calls, each with a header, a separator and its arguments. */
export interface CallFormat {
  readonly callsBegin: string;
  readonly callsEnd: string;
  readonly callBegin: string;
  readonly callEnd: string;
  readonly separator: string;
  /** What the header says; null where it is none of this format. */
  readHeader(header: string): CallHeader | null;
}

export interface CallHeader {
  readonly name: string;
  /** Where the format gives calls an id of their own, which the model wants to see again beside the result. */
  readonly id?: string;
}

/** V3, R1 and V3.1; V3's header is the word "function", and the name follows the separator. */
export const DEEPSEEK_CALLS: CallFormat = {
  callsBegin: "<｜tool▁calls▁begin｜>",
  callsEnd: "<｜tool▁calls▁end｜>",
  callBegin: "<｜tool▁call▁begin｜>",
  callEnd: "<｜tool▁call▁end｜>",
  separator: "<｜tool▁sep｜>",
  readHeader: (header) => ({ name: header.trim() }),
};

/** Kimi-K2: `functions.NAME:COUNT`, which is the call's id too. Source: its docs/tool_call_guidance.md. */
export const KIMI_CALLS: CallFormat = {
  callsBegin: "<|tool_calls_section_begin|>",
  callsEnd: "<|tool_calls_section_end|>",
  callBegin: "<|tool_call_begin|>",
  callEnd: "<|tool_call_end|>",
  separator: "<|tool_call_argument_begin|>",
  readHeader(header) {
    const id = header.trim();
    const name = /^(?:functions\.)?([\w-]+)(?::\d+)?$/.exec(id)?.[1];
    return name === undefined ? null : { name, id };
  },
};

export const CALL_FORMATS: readonly CallFormat[] = [DEEPSEEK_CALLS, KIMI_CALLS];

/** Qwen, Hermes and GLM put each call into a tag of its own: tagged-call.ts. */
export const TAG_OPEN = "<tool_call>";
export const TAG_CLOSE = "</tool_call>";

/** Around the keys and values of GLM's arguments. */
export const PAIR_TAGS = {
  keyBegin: "<arg_key>",
  keyEnd: "</arg_key>",
  valueBegin: "<arg_value>",
  valueEnd: "</arg_value>",
} as const;
