/** Where the model is, or would be. */
export function smollm2File(): string;
/** Makes sure that the model is there. @returns 0, or 1 when it could not be fetched */
export function fetchTestModels(): Promise<number>;
