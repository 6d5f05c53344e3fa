export interface Server {
  readonly name: string;
  readonly how: string;
  start(file: string, settings: Settings): Promise<Running>;
}
export interface Settings {
  readonly threads: number;
  readonly places: number;
  readonly context: number;
}
export interface Running {
  readonly url: string;
  readonly facts: object;
  close(): Promise<void>;
}
