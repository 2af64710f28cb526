/** The visualiser server's ports: the page's files, the layout of charts, and the commands. */
import type { Chart, PageCommand } from './wire.ts';

export interface PageFile {
  /** Content type. */
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** The files by path: `/`, and all files that the page requests. */
export type PageFiles = ReadonlyMap<string, PageFile>;

/** Returns the layout of a chart in the JSON form that the page expects. Called repeatedly for the same chart. */
export type LayoutOf = (chart: Chart) => Promise<unknown>;

export interface CommandRequest {
  readonly command: string;
  readonly source: string | null;
  /** The second source, for a command that needs a pair. */
  readonly peer: string | null;
}

/** The commands of `POST /commands`, and who may run them. */
export interface Commands {
  /** The token that a caller must send. */
  readonly token: string;
  /** true: the page receives the token and shows the buttons. */
  readonly onPage: boolean;
  readonly list: readonly PageCommand[];
  /** @throws CommandRefusal with the message for the caller */
  run(request: CommandRequest): Promise<void>;
}

/** A command that cannot be carried out. The caller sees the message. */
export class CommandRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'CommandRefusal';
    this.status = status;
  }
}
