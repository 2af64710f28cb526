/** Opens the reader's trace files: chosen in a dialogue, or dropped on the page. */
import { TRACE_LIMIT_BYTES } from './core/limits.ts';
import { h } from './view/dom.ts';

export interface TraceFilesModules {
  readonly open: (text: string, name: string) => void;
  readonly refuse: (why: string) => void;
}

export class TraceFiles {
  /** The element is hidden, but must be on the page so that its dialogue can open. */
  readonly element = h('input', { type: 'file', accept: '.trace,.jsonl,.ndjson,.json,.txt', hidden: true, 'aria-label': 'Trace file' });
  readonly #modules: TraceFilesModules;

  constructor(modules: TraceFilesModules) {
    this.#modules = modules;
    this.element.addEventListener('change', () => {
      this.#take(this.element.files);
      this.element.value = '';
    });
    document.addEventListener('dragover', (event) => event.preventDefault());
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      this.#take(event.dataTransfer?.files ?? null);
    });
  }

  ask(): void {
    this.element.click();
  }

  #take(files: FileList | null): void {
    const file = files?.[0];
    if (file !== undefined) void this.#read(file);
  }

  async #read(file: File): Promise<void> {
    if (file.size > TRACE_LIMIT_BYTES) {
      this.#modules.refuse(`${file.name} is larger than ${TRACE_LIMIT_BYTES / 1024 / 1024} MiB.`);
      return;
    }
    // A dropped folder looks like a file until it is read.
    const text = await file.text().catch(() => null);
    if (text === null) this.#modules.refuse(`${file.name} cannot be read.`);
    else this.#modules.open(text, file.name);
  }
}
