/**
 * Creates an element with its attributes and children in one expression. Strings become text nodes, so text from an event is never parsed
 * as markup.
 */

export type Attributes = Readonly<Record<string, string | number | boolean | null>>;
type Child = Node | string;

const SVG = 'http://www.w3.org/2000/svg';

export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

export function s<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** true: sets the attribute without a value; false or null: removes it. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) element.removeAttribute(name);
    else {
      const text = value === true ? '' : String(value);
      if (element.getAttribute(name) !== text) element.setAttribute(name, text);
    }
  }
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A button whose key is shown in its title and announced by assistive technology. */
export function button(label: string, options: { readonly key?: string; readonly title?: string; readonly class?: string }, press: () => void): HTMLButtonElement {
  const title = options.title ?? label;
  const element = h(
    'button',
    {
      type: 'button',
      class: options.class ?? null,
      title: options.key === undefined ? title : `${title} (${options.key})`,
      'aria-keyshortcuts': options.key ?? null,
      'aria-label': title === label ? null : title,
    },
    label,
  );
  element.addEventListener('click', press);
  return element;
}

/** Gives `parent` one child for each item, in order. Creates each child once, changes it in place, and moves it only when necessary. */
export function reconcile<Item, Made extends Element>(
  parent: Element,
  items: readonly Item[],
  keyOf: (item: Item) => string,
  make: (item: Item) => Made,
  change: (element: Made, item: Item) => void = () => undefined,
): void {
  const known = new Map<string, Made>();
  for (const child of parent.children) {
    const key = child.getAttribute('data-key');
    if (key !== null) known.set(key, child as Made);
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = known.get(key);
    if (element === undefined) {
      element = make(item);
      element.setAttribute('data-key', key);
    }
    known.delete(key);
    change(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
}
