/** Starts the page. */
import { App } from './app.ts';

void new App(document.querySelector<HTMLElement>('#app')!).start();
