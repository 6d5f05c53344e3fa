export interface Streamed {
  readonly start: number;
  readonly pieces: readonly { readonly at: number; readonly text: string }[];
  readonly end: number;
  readonly finishReason: string | null;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}
export function streamAnswer(
  url: string,
  body: object,
  options?: { readonly signal?: AbortSignal; readonly onPiece?: (text: string) => void },
): Promise<Streamed>;
