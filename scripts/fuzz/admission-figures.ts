/**
 * Reports how many bytes the requests of all nodes in this process hold, and how many callers have a request under way. A node does not
 * show these figures, so this module remembers the objects that count them.
 */
import { InflightBytes } from '../../src/http/inflight-bytes.ts';
import { RequestsUnderWay } from '../../src/http/requests-under-way.ts';

const halves = new Set<InflightBytes>();
const places = new Set<RequestsUnderWay>();
const open = Reflect.get<InflightBytes, 'open'>(InflightBytes.prototype, 'open');
const enter = Reflect.get<RequestsUnderWay, 'enter'>(RequestsUnderWay.prototype, 'enter');

InflightBytes.prototype.open = function (this: InflightBytes, caller) {
  halves.add(this);
  return open.call(this, caller);
};

RequestsUnderWay.prototype.enter = function (this: RequestsUnderWay, caller) {
  places.add(this);
  return enter.call(this, caller);
};

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

const textOf = (bytes: number, callers: number): string => `${bytes} bytes, and ${callers} callers with requests under way`;

/** What `occupied` returns when no request is under way. */
export const NOTHING = textOf(0, 0);

export function occupied(): string {
  return textOf(sum([...halves].map(({ held }) => held)), sum([...places].map(({ callers }) => callers)));
}

/** Counts only the requests of nodes that are started from now on. */
export function countAnew(): void {
  halves.clear();
  places.clear();
}
