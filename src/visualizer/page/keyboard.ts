/** Listens to the page's keys. core/keys.ts assigns an action to each key. */
import { actionOf, type KeyAction } from './core/keys.ts';

export interface KeyboardModules {
  readonly actions: Readonly<Record<KeyAction, () => void>>;
  /** Chooses a source. @param nth the source's place among all sources; the first is 0 */
  readonly chooseNth: (nth: number) => void;
  /** @param share how far to move, as a share of the time that the timeline shows */
  readonly moveInTimeline: (share: number) => void;
  readonly helpIsOpen: () => boolean;
}

export function listenToKeys(modules: KeyboardModules): void {
  document.addEventListener('keydown', (event) => onKey(event, modules));
}

function onKey(event: KeyboardEvent, modules: KeyboardModules): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const { key, target } = event;
  if (document.querySelector('dialog[open]') !== null) {
    if (key === '?' && modules.helpIsOpen()) modules.actions.help();
    return;
  }
  const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
  if (typing && key !== 'Escape') return;
  // The space bar presses the focused button.
  if (key === ' ' && target instanceof HTMLButtonElement) return;
  const share = target instanceof HTMLElement && target.classList.contains('field') ? shareOf(event) : 0;
  if (share !== 0) modules.moveInTimeline(share);
  else if (!press(event, modules)) return;
  event.preventDefault();
}

function shareOf({ key, shiftKey }: KeyboardEvent): number {
  if (key === 'PageUp' || key === 'PageDown') return key === 'PageUp' ? 0.5 : -0.5;
  const sign = key === 'ArrowLeft' || key === 'ArrowDown' ? -1 : key === 'ArrowRight' || key === 'ArrowUp' ? 1 : 0;
  return sign * (shiftKey ? 0.1 : 0.01);
}

function press({ key, shiftKey }: KeyboardEvent, { actions, chooseNth }: KeyboardModules): boolean {
  const action = actionOf(key);
  if (/^[1-9]$/.test(key) && !shiftKey) chooseNth(Number(key) - 1);
  else if (action !== null) actions[action]();
  else return false;
  return true;
}
