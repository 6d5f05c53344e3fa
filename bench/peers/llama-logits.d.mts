export interface LlamaLogits {
  readonly context: number;
  readonly width: number;
  readonly chunks: Int32Array[];
  rows(chunk: number): Promise<Float32Array>;
  close(): Promise<void>;
}
export function openLlamaLogits(file: string): Promise<LlamaLogits>;
