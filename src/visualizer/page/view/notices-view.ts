/** Notices of the page: one message, and a banner while the page is not connected. */
import { after, unixMs } from '../browser.ts';
import { h, setText } from './dom.ts';

/** How long a message about a success stays. A message about a failure stays until the reader dismisses it. */
const GOOD_NEWS_MS = 5_000;

export class NoticesView {
  readonly message = h('p', { class: 'said', role: 'status', hidden: true });
  readonly banner = h('p', { class: 'banner', role: 'alert', hidden: true });
  #cancel: () => void = () => undefined;

  constructor() {
    this.message.addEventListener('click', () => this.dismiss());
  }

  say(text: string, bad: boolean): void {
    setText(this.message, text);
    this.message.classList.toggle('bad', bad);
    this.message.hidden = false;
    this.#cancel();
    if (!bad) this.#cancel = after(GOOD_NEWS_MS, () => this.dismiss());
  }

  dismiss(): void {
    this.message.hidden = true;
  }

  /** @param cutSinceMs when the connection was lost; null while connected */
  update(cutSinceMs: number | null): void {
    this.banner.hidden = cutSinceMs === null;
    if (cutSinceMs === null) return;
    const seconds = Math.max(0, Math.floor((unixMs() - cutSinceMs) / 1_000));
    setText(this.banner, `⚡ Not connected for ${seconds} s: the page may be out of date. It keeps trying to reconnect.`);
  }
}
