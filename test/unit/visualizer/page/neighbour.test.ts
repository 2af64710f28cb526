import { expect, test } from '@jest/globals';
import { neighbourOf } from '../../../../src/visualizer/page/core/neighbour.ts';

const at = (name: string, x: number, y: number) => ({ name, centre: { x, y } });
const from = at('from', 0, 0);
const near = at('near', 50, 0);
const far = at('far', 200, 0);
const aslant = at('aslant', 40, 40);
const below = at('below', 0, 60);

test.each([
  ['right', { x: 1, y: 0 }, [far, near], 'near'],
  ['right, with a nearer box that is diagonal', { x: 1, y: 0 }, [aslant, near], 'near'],
  ['down', { x: 0, y: 1 }, [near, below], 'below'],
  ['left, where there is no box', { x: -1, y: 0 }, [near, far, aslant], undefined],
  ['up, when there is no other box', { x: 0, y: -1 }, [from], undefined],
])('the neighbour of a box: %s', (_, direction, all, name) => expect(neighbourOf(from, direction, [from, ...all])?.name).toBe(name));
