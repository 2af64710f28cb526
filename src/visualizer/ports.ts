/** What the visualiser's server is given: the page, how a chart is laid out, and what may be done. */
import type { Chart, PageCommand } from './wire.ts';

export interface PageFile {
  /** Content type. */
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** By path: `/`, and what the page asks for. */
export type PageFiles = ReadonlyMap<string, PageFile>;

/** Where the boxes of a chart stand, as the page takes it in JSON; asked again and again for the same chart. */
export type LayoutOf = (chart: Chart) => Promise<unknown>;

export interface CommandRequest {
  readonly command: string;
  readonly source: string | null;
  /** Another source, where the command takes a pair. */
  readonly peer: string | null;
}

/** What may be done through `POST /commands`, and by whom. */
export interface Commands {
  /** What a caller must bring. */
  readonly token: string;
  /** Whether the page gets the token and the buttons. */
  readonly onPage: boolean;
  readonly list: readonly PageCommand[];
  /** @throws CommandRefusal with the sentence that is shown */
  run(request: CommandRequest): Promise<void>;
}

/** A command that cannot be carried out. The sentence goes to the caller. */
export class CommandRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'CommandRefusal';
    this.status = status;
  }
}
