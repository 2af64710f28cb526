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
  { shown: 'l', says: 'back to live', keys: { l: 'live' } },
  { shown: 'p, space', says: 'pause, or play a replay', keys: { p: 'pause', ' ': 'pause' } },
  { shown: ', .', says: 'one event back, forward', keys: { ',': 'eventBack', '.': 'eventOn' } },
  { shown: 'Shift+, Shift+.', says: 'one change of state back, forward', keys: { '<': 'stateBack', '>': 'stateOn' } },
  { shown: 'x, Shift+X', says: 'to the next failure, the previous failure', keys: { x: 'failureOn', X: 'failureBack' } },
  { shown: 'Home, End', says: 'to the first event, the last event', keys: { Home: 'first', End: 'last' } },
  { shown: '← →', says: 'one event back, forward; in the timeline a small step (Shift: a large step)', keys: { ArrowLeft: 'eventBack', ArrowRight: 'eventOn' } },
  { shown: 'z, Shift+Z, w', says: 'show a shorter period, a longer period, the whole history', keys: { z: 'shorterTime', Z: 'longerTime', w: 'wholeTime' } },
  { shown: 's, Shift+S', says: 'replay faster, slower', keys: { s: 'faster', S: 'slower' } },
  { shown: '1 … 9, [ ]', says: 'choose a source', keys: { '[': 'sourceBack', ']': 'sourceOn' } },
  {
    shown: 'm, ↑ ↓ ← →',
    says: 'into the machine, from state to state; Enter pins the details, Esc unpins them',
    keys: { m: 'intoMachine', Escape: 'letGo' },
  },
  {
    shown: 'r, Shift+R, a',
    says: 'next region, previous region; all regions, then the whole machine',
    keys: { r: 'regionOn', R: 'regionBack', a: 'allRegions' },
  },
  {
    shown: '+ − f Shift+F',
    says: 'larger, smaller, readable, the whole drawing; Shift and arrows move it',
    keys: { '+': 'larger', '=': 'larger', '-': 'smaller', f: 'fit', F: 'fitAll' },
  },
  { shown: 'v', says: 'all values and tables', keys: { v: 'values' } },
  { shown: 'i', says: 'lanes of all sources, or only of the chosen source', keys: { i: 'lanes' } },
  { shown: '/, ↓', says: 'search events, enter the list; Enter goes to the event', keys: { '/': 'search' } },
  { shown: 'e', says: 'show or hide the events beside the machine', keys: { e: 'events' } },
  { shown: 'c', says: 'commands (development)', keys: { c: 'commands' } },
  { shown: 'o', says: 'open a trace file', keys: { o: 'openFile' } },
  { shown: 't', says: 'light, dark', keys: { t: 'theme' } },
  { shown: '?', says: 'this help', keys: { '?': 'help' } },
];

const ACTIONS = new Map(KEY_ROWS.flatMap(({ keys }) => Object.entries(keys)));

export function actionOf(key: string): KeyAction | null {
  return ACTIONS.get(key) ?? null;
}
