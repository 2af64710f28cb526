/** Table of the page's keys: what each key does, and its description in the help. */

export type KeyAction =
  | 'live'
  | 'pause'
  | 'eventBack'
  | 'eventOn'
  | 'stateBack'
  | 'stateOn'
  | 'failureBack'
  | 'failureOn'
  | 'first'
  | 'last'
  | 'shorterTime'
  | 'longerTime'
  | 'wholeTime'
  | 'faster'
  | 'slower'
  | 'sourceBack'
  | 'sourceOn'
  | 'intoMachine'
  | 'regionOn'
  | 'regionBack'
  | 'allRegions'
  | 'larger'
  | 'smaller'
  | 'fit'
  | 'fitAll'
  | 'values'
  | 'lanes'
  | 'search'
  | 'events'
  | 'commands'
  | 'openFile'
  | 'theme'
  | 'help'
  | 'letGo';

export interface KeyRow {
  /** The keys in the form in which the help shows them. */
  readonly shown: string;
  readonly says: string;
  /** Actions by `KeyboardEvent.key`. Keys that a focused view handles itself are not listed. */
  readonly keys: Readonly<Record<string, KeyAction>>;
}

export const KEY_ROWS: readonly KeyRow[] = [
  { shown: 'l', says: 'live again', keys: { l: 'live' } },
  { shown: 'p, space', says: 'pause, or play a replay', keys: { p: 'pause', ' ': 'pause' } },
  { shown: ', .', says: 'one event back, on', keys: { ',': 'eventBack', '.': 'eventOn' } },
  { shown: 'Shift+, Shift+.', says: 'one change of state back, on', keys: { '<': 'stateBack', '>': 'stateOn' } },
  { shown: 'x, Shift+X', says: 'to the next failure, the one before', keys: { x: 'failureOn', X: 'failureBack' } },
  { shown: 'Home, End', says: 'to the first event, the last', keys: { Home: 'first', End: 'last' } },
  { shown: '← →', says: 'one event back, on; in the timeline a little, with Shift further', keys: { ArrowLeft: 'eventBack', ArrowRight: 'eventOn' } },
  { shown: 'z, Shift+Z, w', says: 'shorter time, longer time, all of it', keys: { z: 'shorterTime', Z: 'longerTime', w: 'wholeTime' } },
  { shown: 's, Shift+S', says: 'replay faster, slower', keys: { s: 'faster', S: 'slower' } },
  { shown: '1 … 9, [ ]', says: 'choose a source', keys: { '[': 'sourceBack', ']': 'sourceOn' } },
  {
    shown: 'm, ↑ ↓ ← →',
    says: 'into the machine, from state to state; Enter holds its details, Esc lets go',
    keys: { m: 'intoMachine', Escape: 'letGo' },
  },
  {
    shown: 'r, Shift+R, a',
    says: 'next region, the one before; all regions, the whole',
    keys: { r: 'regionOn', R: 'regionBack', a: 'allRegions' },
  },
  {
    shown: '+ − f Shift+F',
    says: 'larger, smaller, readable, all of it; Shift and arrows move',
    keys: { '+': 'larger', '=': 'larger', '-': 'smaller', f: 'fit', F: 'fitAll' },
  },
  { shown: 'v', says: 'all values and tables', keys: { v: 'values' } },
  { shown: 'i', says: 'lanes of all sources, or of the chosen one', keys: { i: 'lanes' } },
  { shown: '/, ↓', says: 'search events, into the list; Enter goes there', keys: { '/': 'search' } },
  { shown: 'e', says: 'events beside the machine, or not', keys: { e: 'events' } },
  { shown: 'c', says: 'commands (development)', keys: { c: 'commands' } },
  { shown: 'o', says: 'open a trace file', keys: { o: 'openFile' } },
  { shown: 't', says: 'light, dark', keys: { t: 'theme' } },
  { shown: '?', says: 'this', keys: { '?': 'help' } },
];

const ACTIONS = new Map(KEY_ROWS.flatMap(({ keys }) => Object.entries(keys)));

export function actionOf(key: string): KeyAction | null {
  return ACTIONS.get(key) ?? null;
}
