/**
 * A list whose items hold their own links, for collections that live as long as the node and change with every request. After some changes,
 * V8 moves the entries of a Map or a Set into a new table, and the old table keeps a link to the new one. So as soon as one of these tables
 * is in the old generation, V8 takes all later tables for used, together with the entries that they had when they were replaced, until it
 * collects the old generation. An item that has left this list has no links.
 */
export interface Linked<Item> {
  /** Set only by the list; null at the ends of the list, and while the item is in no list. */
  previous: Item | null;
  next: Item | null;
}

export class LinkedList<Item extends Linked<Item>> {
  #first: Item | null = null;
  #last: Item | null = null;

  get first(): Item | null {
    return this.#first;
  }

  /** Adds an item, which must not be in any list, at the end. */
  add(item: Item): void {
    item.previous = this.#last;
    if (this.#last === null) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
  }

  /** Removes an item. Does nothing if the item is in no list. */
  remove(item: Item): void {
    const { previous, next } = item;
    if (previous !== null) previous.next = next;
    else if (this.#first === item) this.#first = next;
    else return;
    if (next !== null) next.previous = previous;
    else this.#last = previous;
    item.previous = null;
    item.next = null;
  }
}
