/** The visualiser server's ports: the page's files, the layout of charts, and the commands. */
import type { Chart, PageCommand } from './wire.ts';

export interface PageFile {
  /** Content type. */
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** By path: `/`, and the files that the page asks for. */
export type PageFiles = ReadonlyMap<string, PageFile>;

/** Gives the layout of a chart, as the page takes it in JSON. Called repeatedly for the same chart. */
export type LayoutOf = (chart: Chart) => Promise<unknown>;

export interface CommandRequest {
  readonly command: string;
  readonly source: string | null;
  /** The second source of a command that takes a pair. */
  readonly peer: string | null;
}

/** The commands of `POST /commands`, and who may run them. */
export interface Commands {
  /** The token that a caller must send. */
  readonly token: string;
  /** true: the page gets the token and the buttons. */
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
