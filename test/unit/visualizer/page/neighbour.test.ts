import { expect, test } from '@jest/globals';
import { neighbourOf } from '../../../../src/visualizer/page/core/neighbour.ts';

const at = (name: string, x: number, y: number) => ({ name, centre: { x, y } });
const from = at('from', 0, 0);
const near = at('near', 50, 0);
const far = at('far', 200, 0);
const aslant = at('aslant', 40, 40);
const below = at('below', 0, 60);

test.each([
  ['to the right is the nearest box on that side', { x: 1, y: 0 }, [far, near], 'near'],
  ['to the right is not a diagonal box, even if that box is less far to the right', { x: 1, y: 0 }, [aslant, near], 'near'],
  ['below is the nearest box on that side', { x: 0, y: 1 }, [near, below], 'below'],
  ['to the left is missing if no box is on that side', { x: -1, y: 0 }, [near, far, aslant], undefined],
  ['above is missing if there is no other box', { x: 0, y: -1 }, [from], undefined],
])('the neighbour %s', (_, direction, all, name) => expect(neighbourOf(from, direction, [from, ...all])?.name).toBe(name));
