/**
 * The commands, only in development: a dialogue with a button for each command, where the reader also chooses a source or a pair of sources.
 * A command that breaks something asks for confirmation.
 */
import type { PageCommand, PageSession } from '../../wire.ts';
import { button, h, reconcile, setAttributes, setText } from './dom.ts';

export interface CommandsModules {
  /** @throws Error with the server's message */
  readonly send: (body: object) => Promise<void>;
  readonly say: (text: string, bad: boolean) => void;
}

export class CommandsView {
  readonly element: HTMLElement;
  readonly #modules: CommandsModules;
  readonly #dialog: HTMLDialogElement;
  readonly #question: HTMLDialogElement;
  readonly #asked = h('p', { class: 'asked' });
  readonly #source = h('select', { id: 'command-source' });
  readonly #peer = h('select', { id: 'command-peer' });
  readonly #buttons = h('div', { class: 'command-buttons' });
  readonly #failure = h('p', { class: 'failure', role: 'alert' });
  readonly #yes: HTMLButtonElement;
  #commands: readonly PageCommand[] = [];
  #confirmed: (() => void) | null = null;

  constructor(modules: CommandsModules) {
    this.#modules = modules;
    const close = button('Close', { title: 'Close', key: 'Escape' }, () => this.#dialog.close());
    this.#dialog = h(
      'dialog',
      { class: 'commands', 'aria-label': 'Commands' },
      h('h2', {}, 'Commands'),
      h('div', { class: 'pickers' }, h('label', { for: 'command-source' }, 'for'), this.#source, h('label', { for: 'command-peer' }, 'and'), this.#peer),
      this.#buttons,
      this.#failure,
      h('footer', {}, close),
    );
    this.#yes = h('button', { type: 'button', class: 'breaks' });
    this.#yes.addEventListener('click', () => {
      const confirmed = this.#confirmed;
      this.#question.close();
      confirmed?.();
    });
    const no = button('Cancel', {}, () => this.#question.close());
    this.#question = h('dialog', { class: 'question', role: 'alertdialog', 'aria-label': 'Really?' }, this.#asked, h('footer', {}, no, this.#yes));
    this.#question.addEventListener('close', () => (this.#confirmed = null));
    this.element = h('div', {}, this.#dialog, this.#question);
  }

  setSession({ commands, token }: PageSession): void {
    this.#commands = token === null ? [] : commands;
    reconcile(
      this.#buttons,
      this.#commands,
      ({ command }) => command,
      (command) => {
        const press = h('button', { type: 'button', class: command.breaks ? 'breaks' : null, 'data-command': command.command }, command.label);
        press.addEventListener('click', () => this.#press(command));
        return press;
      },
    );
  }

  get some(): boolean {
    return this.#commands.length > 0;
  }

  open(sources: readonly string[], chosen: string | null): void {
    if (!this.some || this.#dialog.open) return;
    for (const select of [this.#source, this.#peer]) select.replaceChildren(...sources.map((name) => h('option', { value: name }, name)));
    if (chosen !== null) this.#source.value = chosen;
    this.#peer.value = sources.find((name) => name !== this.#source.value) ?? '';
    setText(this.#failure, '');
    const pairs = this.#commands.some(({ takes }) => takes === 'pair');
    for (const part of [this.#peer, this.#dialog.querySelector<HTMLElement>('[for=command-peer]')!]) part.hidden = !pairs;
    this.#dialog.showModal();
    (this.#commands.every(({ takes }) => takes === 'nothing') ? this.#buttons.querySelector('button') : this.#source)?.focus();
  }

  #press(command: PageCommand): void {
    const [source, peer] = [this.#source.value, this.#peer.value];
    if (command.takes === 'pair' && source === peer) {
      setText(this.#failure, 'This command needs two different nodes.');
      return;
    }
    const whom = command.takes === 'nothing' ? '' : command.takes === 'source' ? source : `${source} and ${peer}`;
    const name = `${command.label}${whom === '' ? '' : `: ${whom}`}`;
    const body = {
      command: command.command,
      ...(command.takes === 'nothing' ? {} : { source }),
      ...(command.takes === 'pair' ? { peer } : {}),
    };
    if (!command.breaks) {
      void this.#send(name, body);
      return;
    }
    this.#confirmed = () => void this.#send(name, body);
    setText(this.#asked, `${name}. This disturbs the running cluster. Continue?`);
    setText(this.#yes, command.label);
    this.#question.showModal();
  }

  async #send(name: string, body: object): Promise<void> {
    setText(this.#failure, '');
    setAttributes(this.#buttons, { 'aria-busy': 'true' });
    try {
      await this.#modules.send(body);
      this.#modules.say(`Done. ${name}`, false);
      this.#dialog.close();
    } catch (error) {
      const text = `${name}: ${error instanceof Error ? error.message : 'failed'}`;
      setText(this.#failure, text);
      if (!this.#dialog.open) this.#modules.say(text, true);
    } finally {
      setAttributes(this.#buttons, { 'aria-busy': null });
    }
  }
}
