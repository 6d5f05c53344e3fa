export interface Served {
  readonly path: string;
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
}

export interface StaticServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** What has been answered, in order. */
  readonly log: Served[];
  close(): Promise<void>;
}

export interface ServerOptions {
  /** Whether its pages are cross-origin isolated. Default false. */
  readonly isolated?: boolean;
  /** Whether it answers ranges. Default true. */
  readonly ranges?: boolean;
}

/**
 * Serves folders on a port of its own of 127.0.0.1.
 * @param folders folder on disk by the start of its paths, which ends in a slash
 */
export function serveFiles(folders: Readonly<Record<string, string>>, options?: ServerOptions): Promise<StaticServer>;
