export function startProgram(
  command: readonly string[],
): Promise<{ readonly url: string; readonly said: string; readonly pid: number; close(): Promise<void> }>;
