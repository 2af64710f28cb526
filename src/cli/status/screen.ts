/**
 * The output of `--watch`. On a terminal, it redraws the alternate screen, so that the terminal's earlier content returns at the end.
 * Otherwise it prints one block after another. The last block stays visible after the end.
 */

export interface ScreenOutput {
  readonly write: (text: string) => unknown;
  /** Whether the output is a terminal whose cursor can be moved. */
  readonly cursor: boolean;
}

export interface Screen {
  /** @param lines lines without line breaks; on a terminal, they must fit on the screen */
  readonly draw: (lines: readonly string[]) => void;
  /** A second call does nothing. */
  readonly end: () => void;
}

/**
 * Besides switching to the alternate screen, this turns off the wrapping of long lines. A node's answer may contain characters that are two
 * columns wide, so a line may be wider than its number of characters. If it wrapped, the first lines would scroll off the screen.
 */
const OTHER_SCREEN = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const OWN_SCREEN = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

export function openScreen({ write, cursor }: ScreenOutput): Screen {
  return cursor ? terminalScreen(write) : blockScreen(write);
}

function terminalScreen(write: ScreenOutput['write']): Screen {
  let last: readonly string[] | null = null;
  let ended = false;
  return {
    draw: (lines) => {
      // A cleared screen flickers, so each line is overwritten. A line break after the last line would scroll the screen.
      write(`${last === null ? OTHER_SCREEN : ''}${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_BELOW}`);
      last = lines;
    },
    end: () => {
      if (!ended && last !== null) write(`${OWN_SCREEN}${blockOf(last)}`);
      ended = true;
    },
  };
}

function blockScreen(write: ScreenOutput['write']): Screen {
  let first = true;
  return {
    draw: (lines) => {
      write(`${first ? '' : '\n'}${blockOf(lines)}`);
      first = false;
    },
    end: () => undefined,
  };
}

function blockOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
