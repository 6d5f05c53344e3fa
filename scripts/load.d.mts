export function loadJobs(count: number, maxTokens: number): object[];
export function runLoad(
  url: string,
  load: {
    readonly jobs: readonly object[];
    readonly streams: number;
    readonly random: () => number;
    readonly goesOn: (started: number) => boolean;
  },
): Promise<{
  readonly finished: number;
  readonly left: number;
  readonly faults: readonly string[];
  readonly firstMs: readonly number[];
  readonly betweenMs: readonly number[];
}>;
