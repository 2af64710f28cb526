/** Moves from box to box with the arrow keys. */
import type { Point } from '../../layout-graph.ts';

/** Weight of a sideways distance, relative to a distance straight ahead. */
const ASIDE_WEIGHT = 2.5;

/** The nearest box in a direction, with a higher weight for sideways distance; undefined when there is none. */
export function neighbourOf<Placed extends { readonly centre: Point }>(from: Placed, direction: Point, all: readonly Placed[]): Placed | undefined {
  let best: Placed | undefined;
  let least = Infinity;
  for (const other of all) {
    const [x, y] = [other.centre.x - from.centre.x, other.centre.y - from.centre.y];
    const ahead = x * direction.x + y * direction.y;
    const aside = Math.abs(x * direction.y) + Math.abs(y * direction.x);
    if (other === from || ahead <= 1) continue;
    const far = ahead + ASIDE_WEIGHT * aside;
    if (far < least) [best, least] = [other, far];
  }
  return best;
}
