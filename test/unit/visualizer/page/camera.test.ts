/** The visible part of a drawing. The page chooses this part until the reader moves it. Labels stay readable until the reader zooms out. */
import { describe, expect, test } from '@jest/globals';
import { Camera, type CameraOptions } from '../../../../src/visualizer/page/core/camera.ts';

const WINDOW = { width: 400, height: 300 };
const SMALL = { width: 200, height: 100 };
const LARGE = { width: 2_000, height: 1_000 };
const FAR = { x: 1_900, y: 900, width: 60, height: 40 };

function opened(drawing: CameraOptions['drawing'], { overview = false, active }: { readonly overview?: boolean; readonly active?: typeof FAR } = {}): Camera {
  const camera = new Camera({ drawing, overview });
  camera.resize(WINDOW, active);
  return camera;
}

/** Where a box is in the window. */
function inWindow(camera: Camera, box: typeof FAR) {
  const { x, y, scale } = camera.seen;
  return { left: box.x * scale + x, top: box.y * scale + y, right: (box.x + box.width) * scale + x, bottom: (box.y + box.height) * scale + y };
}

describe('before the reader moves the view,', () => {
  test('a small drawing is shown in the middle and slightly enlarged', () => {
    const { x, y, scale } = opened(SMALL).seen;
    expect([scale, x * 2 + SMALL.width * scale, y * 2 + SMALL.height * scale]).toEqual([1.35, WINDOW.width, WINDOW.height]);
  });

  test.each([
    ['a drawing that is too large for the window is shown at a readable size', false, 0.84],
    ['an overview is shown as a whole, even if it becomes small', true, 392 / 2_000],
  ])('%s', (_, overview, scale) => expect(opened(LARGE, { overview }).seen.scale).toBe(scale));

  test('the view moves to the active state, and stays while that state is visible', () => {
    const camera = opened(LARGE, { active: FAR });
    const { right, bottom } = inWindow(camera, FAR);
    expect([right <= WINDOW.width, bottom <= WINDOW.height]).toEqual([true, true]);
    const before = camera.seen;
    camera.follow({ ...FAR, x: FAR.x - 50 }, true);
    expect(camera.seen).toEqual(before);
    camera.follow({ x: 0, y: 0, width: 60, height: 40 }, true);
    expect(inWindow(camera, { x: 0, y: 0, width: 60, height: 40 })).toMatchObject({ left: 8, top: 8 });
  });

  test('the view does not move while the window has no size', () => {
    const camera = new Camera({ drawing: SMALL, overview: false });
    const before = camera.seen;
    camera.resize({ width: 0, height: 0 }, undefined);
    camera.fit(undefined);
    camera.follow(FAR, false);
    expect(camera.seen).toEqual(before);
  });
});

describe('when the reader moves the view,', () => {
  test('the view stays where the reader put it until it is fitted again', () => {
    const camera = opened(LARGE, { active: FAR });
    camera.panBy(30, -20);
    const moved = camera.seen;
    camera.follow({ x: 0, y: 0, width: 60, height: 40 }, false);
    camera.resize({ width: 500, height: 300 }, FAR);
    expect(camera.seen).toEqual(moved);
    camera.fit(FAR);
    expect(camera.seen).not.toEqual(moved);
  });

  test('zooming keeps the point under the pointer in place, and the scale has limits', () => {
    const camera = opened(SMALL);
    const at = { x: 100, y: 50 };
    const pointOf = () => [(at.x - camera.seen.x) / camera.seen.scale, (at.y - camera.seen.y) / camera.seen.scale].map((each) => each.toFixed(6));
    const before = pointOf();
    camera.zoomBy(2, at);
    expect(pointOf()).toEqual(before);
    camera.zoomBy(1e6);
    expect(camera.seen.scale).toBe(4);
    camera.zoomBy(1e-6);
    expect(camera.seen.scale).toBe(0.08);
  });

  test('a box can be brought into view, with the shortest possible move', () => {
    const camera = opened(LARGE, { active: { x: 0, y: 0, width: 60, height: 40 } });
    camera.reveal(FAR);
    const { right, bottom } = inWindow(camera, FAR);
    expect([Math.round(right), Math.round(bottom)]).toEqual([WINDOW.width - 8, WINDOW.height - 8]);
    const before = camera.seen;
    camera.reveal(FAR);
    expect(camera.seen).toEqual(before);
  });

  test('the whole drawing can be shown, even if it becomes small', () => {
    const camera = opened(LARGE);
    camera.fitAll();
    expect(camera.seen.scale).toBe(392 / 2_000);
  });
});
