/** Playing a story produces the output that its file contains. `npm run sim -- --story FILE --update` rewrites the output. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { formatStory, parseStory, playStory } from '../../src/sim/story.ts';

const folder = new URL('stories/', import.meta.url);
const stories = readdirSync(folder).filter((name) => name.endsWith('.story'));

test('there are at least 15 stories', () => {
  expect(stories.length).toBeGreaterThanOrEqual(15);
});

test.each(stories)('playing %s produces the output that the file contains', async (name) => {
  const text = readFileSync(new URL(name, folder), 'utf8');
  expect(formatStory(await playStory(parseStory(text)))).toBe(text);
});
