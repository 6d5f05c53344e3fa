/** What becomes of a request parameter. The API's documentation is made from these tables; the parser obeys them. */
export interface Parameter {
  readonly name: string;
  /**
   * honoured: every valid value has its effect. partly: some values have, the others are refused. accepted: taken, and
   * it cannot change the answer. refused: 400 with the parameter's name, unless it is null.
   */
  readonly state: "honoured" | "partly" | "accepted" | "refused";
  /** What it does here, what is refused, or why. */
  readonly note: string;
  /** Not in OpenAI's API. */
  readonly extension?: true;
  /** Holds schemas, patterns or grammars. */
  readonly schema?: true;
}

/** Forms of answers and sampling beyond OpenAI's, and what else both endpoints take. Ranges and meaning are the engine's. */
const sharedExtensions: readonly Parameter[] = [
  {
    name: "grammar",
    state: "honoured",
    note: "The answer is what this GBNF allows, as in llama.cpp (docs/STRUCTURED.md). One form at a time.",
    schema: true,
    extension: true,
  },
  {
    name: "guided_json",
    state: "honoured",
    note: "The answer is JSON of this schema, an object.",
    extension: true,
    schema: true,
  },
  {
    name: "guided_regex",
    state: "honoured",
    note: "The whole answer matches this pattern.",
    extension: true,
    schema: true,
  },
  {
    name: "guided_choice",
    state: "honoured",
    note: "The answer is one of these texts.",
    extension: true,
    schema: true,
  },
  { name: "top_k", state: "honoured", note: "Keeps the k most likely tokens; 0 is off.", extension: true },
  {
    name: "min_p",
    state: "honoured",
    note: "Keeps tokens at least min_p times as likely as the best; 0 is off.",
    extension: true,
  },
  { name: "typical_p", state: "honoured", note: "Locally typical sampling, above 0 to 1; 1 is off.", extension: true },
  {
    name: "repetition_penalty",
    state: "honoured",
    note: "Divides the logits of tokens seen in prompt and answer; 1 is off.",
    extension: true,
  },
  {
    name: "repeat_last_n",
    state: "honoured",
    note: "Window of repetition_penalty in tokens; -1 is everything.",
    extension: true,
  },
  { name: "dry_multiplier", state: "honoured", note: "DRY repetition penalty; 0 is off.", extension: true },
  { name: "dry_base", state: "honoured", note: "Growth of DRY's penalty with each repeated token.", extension: true },
  {
    name: "dry_allowed_length",
    state: "honoured",
    note: "The shortest repetition that DRY penalises.",
    extension: true,
  },
  {
    name: "dry_penalty_last_n",
    state: "honoured",
    note: "How far back DRY looks in tokens; -1 is everything.",
    extension: true,
  },
  {
    name: "dry_sequence_breakers",
    state: "refused",
    note: "the engine's own breakers are used",
    extension: true,
  },
  {
    name: "xtc_probability",
    state: "honoured",
    note: "The chance that XTC leaves out the most likely tokens; 0 is off.",
    extension: true,
  },
  { name: "xtc_threshold", state: "honoured", note: "XTC removes tokens at least this likely.", extension: true },
  {
    name: "mirostat",
    state: "honoured",
    note: "2 chooses by mirostat v2 in place of top_k to XTC; 0 is off.",
    extension: true,
  },
  { name: "mirostat_tau", state: "honoured", note: "Mirostat's target surprise in bits.", extension: true },
  { name: "mirostat_eta", state: "honoured", note: "Mirostat's learning rate.", extension: true },
  {
    name: "ignore_eos",
    state: "honoured",
    note: "true goes on over the model's end tokens, until max_tokens.",
    extension: true,
  },
];

/** Every parameter of OpenAI's POST /v1/chat/completions, and the extensions. Any other name is refused as unknown. */
export const chatParameters: readonly Parameter[] = [
  {
    name: "model",
    state: "honoured",
    note: "A name in /v1/models, or none for the first. While one model is served, any name; the answer has the real one.",
  },
  {
    name: "messages",
    state: "partly",
    note: "Roles system, developer (as system), user, assistant, tool. Content is a string or text parts (joined by newlines); image, audio and file parts are refused. prefix: true on a last assistant message (DeepSeek's extension): the answer goes on from its content. Earlier reasoning_content goes to the chat template, which usually leaves it out.",
  },
  { name: "stream", state: "honoured", note: "Server-sent events; keep-alive comments, an error event on failure." },
  {
    name: "stream_options",
    state: "partly",
    note: "include_usage. include_obfuscation: true is refused. Only with stream: true.",
  },
  {
    name: "max_completion_tokens",
    state: "honoured",
    note: "At least 1, reasoning included. Default: until the context is full.",
  },
  {
    name: "max_tokens",
    state: "honoured",
    note: "Older name of max_completion_tokens; when both are given they must be equal.",
  },
  { name: "n", state: "honoured", note: "1 to 8. With a seed, choice i uses seed + i." },
  {
    name: "stop",
    state: "honoured",
    note: "A string or up to 16 (OpenAI: 4), each 1 to 256 characters; not part of the answer.",
  },
  { name: "temperature", state: "honoured", note: "0 to 2; 0 is greedy. Default: the model's own, else 1." },
  { name: "top_p", state: "honoured", note: "0 to 1. Default: the model's own, else 1." },
  { name: "presence_penalty", state: "honoured", note: "-2 to 2, on tokens of the answer." },
  { name: "frequency_penalty", state: "honoured", note: "-2 to 2, on tokens of the answer." },
  { name: "logit_bias", state: "honoured", note: "Token id to bias from -100 to 100; up to 1024 entries." },
  { name: "seed", state: "honoured", note: "An integer within ±(2^53 - 1); the same seed gives the same answer." },
  { name: "logprobs", state: "honoured", note: "Tokens of the reasoning are listed in logprobs.reasoning_content." },
  { name: "top_logprobs", state: "honoured", note: "0 to 20; needs logprobs: true." },
  {
    name: "tools",
    state: "partly",
    note: "Up to 128 functions, shown to the model by its chat template. strict: true holds the arguments to their schema, where the chat template writes calls as those of DeepSeek, Kimi-K2, Qwen and GLM do (others: refused). Custom tools are refused.",
    schema: true,
  },
  {
    name: "tool_choice",
    state: "partly",
    note: '"auto", "none" (the tools are not shown), "required" and named tools: the answer is held to calls, or, where the chat template has a form of its own for them, begins inside one, without thinking. allowed_tools and custom tools are refused.',
  },
  { name: "parallel_tool_calls", state: "honoured", note: "false: one call at most; a further one is not returned." },
  {
    name: "response_format",
    state: "partly",
    note: "text, json_object, and json_schema, which is always strict; the reasoning before the answer is free. Unsupported keywords are refused (docs/STRUCTURED.md).",
    schema: true,
  },
  {
    name: "reasoning_effort",
    state: "partly",
    note: '"none" turns thinking off, every other level turns it on: the models know no levels.',
  },
  { name: "modalities", state: "partly", note: '["text"] only.' },
  { name: "service_tier", state: "partly", note: '"auto" and "default": there is one tier.' },
  { name: "store", state: "partly", note: "false only: nothing is stored." },
  { name: "verbosity", state: "partly", note: '"medium", the default, only: the models know no levels.' },
  { name: "user", state: "accepted", note: "A label for the caller's own books; it is neither stored nor logged." },
  { name: "safety_identifier", state: "accepted", note: "As user." },
  { name: "metadata", state: "accepted", note: "Labels for stored answers; nothing is stored." },
  { name: "prediction", state: "accepted", note: "A hint for speed; it never changes the answer." },
  { name: "prompt_cache_key", state: "accepted", note: "A hint for speed." },
  { name: "prompt_cache_options", state: "accepted", note: "A hint for speed." },
  { name: "prompt_cache_retention", state: "accepted", note: "A hint for speed." },
  { name: "audio", state: "refused", note: "the models read and write text only" },
  { name: "function_call", state: "refused", note: "deprecated; use tool_choice" },
  { name: "functions", state: "refused", note: "deprecated; use tools" },
  { name: "moderation", state: "refused", note: "there is no moderation model" },
  { name: "web_search_options", state: "refused", note: "the server has no web search" },
  {
    name: "thinking",
    state: "honoured",
    note: 'true or false, or DeepSeek\'s {"type": "enabled" | "disabled"}. Default: off where the chat template lets one choose.',
    extension: true,
  },
  {
    name: "chat_template_kwargs",
    state: "partly",
    note: "thinking (or enable_thinking, its name in some templates); other keys are refused.",
    extension: true,
  },
  ...sharedExtensions,
];

/** Every parameter of OpenAI's POST /v1/completions, and the extensions. Any other name is refused as unknown. */
export const completionParameters: readonly Parameter[] = [
  ...chatParameters.filter(({ name }) =>
    [
      "model",
      "stream",
      "stream_options",
      "n",
      "stop",
      "temperature",
      "top_p",
      "presence_penalty",
      "frequency_penalty",
      "logit_bias",
      "seed",
      "user",
    ].includes(name),
  ),
  {
    name: "prompt",
    state: "honoured",
    note: "A string, token ids, or up to 32 of either; prompts times n is at most 32. Special tokens in a string are parsed and BOS is put first where the model wants it; token ids are taken as they are.",
  },
  { name: "max_tokens", state: "honoured", note: "At least 1. Default 16, as in OpenAI's API." },
  { name: "logprobs", state: "honoured", note: "0 to 20 alternatives a token (OpenAI: 5)." },
  { name: "best_of", state: "partly", note: "Only where it equals n." },
  { name: "echo", state: "partly", note: "false only." },
  {
    name: "suffix",
    state: "honoured",
    note: "Fills in between prompt and suffix, both plain text, where the model's vocabulary has the tokens for it; else it is refused.",
  },
  ...sharedExtensions,
];

const modelParameter = chatParameters.filter(({ name }) => name === "model");

/** Every parameter of POST /tokenize, which is llama-server's. */
export const tokenizeParameters: readonly Parameter[] = [
  ...modelParameter,
  { name: "content", state: "honoured", note: "The text." },
  { name: "add_special", state: "honoured", note: "true puts BOS first where the model wants it. Default false." },
  {
    name: "parse_special",
    state: "honoured",
    note: "false takes special tokens in the text as plain text. Default true.",
  },
  {
    name: "with_pieces",
    state: "honoured",
    note: "true gives each token's text too, or its bytes where they are no text by themselves.",
  },
];

/** Every parameter of POST /detokenize, which is llama-server's. */
export const detokenizeParameters: readonly Parameter[] = [
  ...modelParameter,
  { name: "tokens", state: "honoured", note: "Token ids; special tokens are written out." },
];

/** Every parameter of POST /apply-template. */
export const templateParameters: readonly Parameter[] = [
  ...chatParameters.filter(({ name }) =>
    ["model", "messages", "tools", "thinking", "reasoning_effort", "chat_template_kwargs"].includes(name),
  ),
  {
    name: "add_generation_prompt",
    state: "honoured",
    note: "false ends without the opening of an answer. Default true.",
  },
];

/** Every parameter of Anthropic's POST /v1/messages/count_tokens. */
export const countTokensParameters: readonly Parameter[] = [
  ...modelParameter,
  {
    name: "messages",
    state: "partly",
    note: "Roles user, assistant, system. Blocks text, thinking, tool_use and tool_result; images, documents and others are refused. A last message of the assistant begins the answer.",
  },
  { name: "system", state: "honoured", note: "A string or text blocks." },
  {
    name: "tools",
    state: "partly",
    note: "Up to 128 tools of the caller's own. strict: true as in chat completions. Tools that Anthropic's servers run are refused.",
    schema: true,
  },
  {
    name: "tool_choice",
    state: "honoured",
    note: "auto, any, tool, none; any and tool as tool_choice of chat completions. disable_parallel_tool_use: one call at most; a further one is not returned.",
  },
  {
    name: "thinking",
    state: "partly",
    note: "enabled, adaptive or disabled. budget_tokens is a hint that changes nothing; display other than summarized is refused.",
  },
  {
    name: "output_config",
    state: "partly",
    note: "effort is a hint that changes nothing; format: json_schema, as response_format of chat completions.",
    schema: true,
  },
  { name: "cache_control", state: "accepted", note: "Here and in blocks: the cache works by itself." },
  { name: "speed", state: "refused", note: "there is one speed" },
  { name: "user_profile_id", state: "refused", note: "there are no profiles" },
  { name: "workspace_id", state: "refused", note: "there are no workspaces" },
];

/** Every parameter of Anthropic's POST /v1/messages. */
export const messagesParameters: readonly Parameter[] = [
  ...countTokensParameters,
  { name: "max_tokens", state: "honoured", note: "Required, at least 1, thinking included." },
  { name: "stream", state: "honoured", note: "Anthropic's events, ping while there is nothing to say." },
  { name: "stop_sequences", state: "honoured", note: "Up to 16, each 1 to 256 characters." },
  { name: "temperature", state: "honoured", note: "0 to 1; 0 is greedy. Default: the model's own, else 1." },
  { name: "top_p", state: "honoured", note: "0 to 1." },
  { name: "top_k", state: "honoured", note: "Keeps the k most likely tokens; 0 is off." },
  { name: "service_tier", state: "accepted", note: "There is one tier." },
  { name: "metadata", state: "accepted", note: "A label for the caller's own books; it is neither stored nor logged." },
  { name: "container", state: "refused", note: "the server runs no code" },
  { name: "context_management", state: "refused", note: "the server never shortens a conversation" },
  { name: "diagnostics", state: "refused", note: "there are none" },
  { name: "inference_geo", state: "refused", note: "the answer is computed where the server is" },
  { name: "mcp_servers", state: "refused", note: "the server runs no tools" },
];

/** Every parameter of OpenAI's POST /v1/responses. */
export const responsesParameters: readonly Parameter[] = [
  ...modelParameter,
  {
    name: "input",
    state: "partly",
    note: "A string, or items: messages, function_call, function_call_output, reasoning. Text only; item_reference is refused.",
  },
  {
    name: "instructions",
    state: "honoured",
    note: "A system message before the input; not taken over by a next response.",
  },
  {
    name: "previous_response_id",
    state: "honoured",
    note: "The conversation up to that response comes first. 404 where it is not, or no longer, stored.",
  },
  { name: "max_output_tokens", state: "honoured", note: "At least 1, reasoning included." },
  { name: "stream", state: "honoured", note: "OpenAI's events; response.failed on failure." },
  { name: "stream_options", state: "partly", note: "include_obfuscation: true is refused. Only with stream: true." },
  { name: "temperature", state: "honoured", note: "0 to 2; 0 is greedy. Default: the model's own, else 1." },
  { name: "top_p", state: "honoured", note: "0 to 1. Default: the model's own, else 1." },
  { name: "top_logprobs", state: "honoured", note: "0 to 20, with include: message.output_text.logprobs." },
  {
    name: "include",
    state: "honoured",
    note: "message.output_text.logprobs. What others ask for does not arise here; reasoning comes as plain content.",
  },
  {
    name: "tools",
    state: "partly",
    note: "Up to 128 functions. strict: true as in chat completions. Tools that OpenAI's servers run are refused.",
    schema: true,
  },
  {
    name: "tool_choice",
    state: "partly",
    note: '"auto", "none", "required" and a named function, as in chat completions. Others are refused.',
  },
  { name: "parallel_tool_calls", state: "honoured", note: "false: one call at most; a further one is not returned." },
  { name: "max_tool_calls", state: "accepted", note: "Limits tools that the server runs; there are none." },
  {
    name: "text",
    state: "partly",
    note: 'format: text, json_object and json_schema, as response_format of chat completions. verbosity "medium" only.',
    schema: true,
  },
  {
    name: "reasoning",
    state: "partly",
    note: 'effort: "none" turns it off, every other level turns it on. summary: "auto"; the reasoning itself is given, not a summary.',
  },
  {
    name: "store",
    state: "honoured",
    note: "Default true: kept in memory, until newer ones need the room or the server stops; only the same API key finds it.",
  },
  { name: "metadata", state: "honoured", note: "Kept with the response." },
  { name: "truncation", state: "partly", note: '"disabled" only: a prompt is never cut.' },
  { name: "background", state: "partly", note: "false only." },
  ...chatParameters.filter(({ name }) =>
    [
      "service_tier",
      "user",
      "safety_identifier",
      "prompt_cache_key",
      "prompt_cache_options",
      "prompt_cache_retention",
    ].includes(name),
  ),
  { name: "context_management", state: "refused", note: "the server never shortens a conversation" },
  { name: "conversation", state: "refused", note: "use previous_response_id" },
  { name: "moderation", state: "refused", note: "there is no moderation model" },
  { name: "prompt", state: "refused", note: "there are no stored prompts" },
];

/** Every parameter of OpenAI's POST /v1/embeddings, and the extension. */
export const embeddingsParameters: readonly Parameter[] = [
  ...modelParameter,
  {
    name: "input",
    state: "honoured",
    note: "A text, token ids, or up to 256 of either. Special tokens in a text are plain text.",
  },
  { name: "encoding_format", state: "honoured", note: '"float" or "base64".' },
  {
    name: "pooling",
    state: "honoured",
    note: '"mean" (default) of the states of all tokens, or the "last" one\'s. These models were not trained for embeddings.',
    extension: true,
  },
  { name: "user", state: "accepted", note: "A label for the caller's own books; it is neither stored nor logged." },
  { name: "dimensions", state: "refused", note: "a vector has the model's hidden size" },
];

/** Of POST /v1/models/load and /v1/models/unload. */
export const manageParameters: readonly Parameter[] = [
  { name: "model", state: "honoured", note: "The name in /v1/models.", extension: true },
];
