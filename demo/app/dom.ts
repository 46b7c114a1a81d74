// Typed access to the page's own markup: a missing or mistyped element is an error at start, not a surprise later.

/** The element of that id, as that class; throws if index.html and the code disagree. */
export function byId<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new TypeError(`index.html has no ${kind.name} with the id "${id}".`);
  return found;
}

/** The first match below `root`, as that class. */
export function part<Kind extends Element>(root: ParentNode, selector: string, kind: new () => Kind): Kind {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new TypeError(`No ${kind.name} matches "${selector}".`);
  return found;
}

/** A copy of the only element in a `<template>`. */
export function fromTemplate(id: string): HTMLElement {
  const copy = byId(id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (!(copy instanceof HTMLElement)) throw new TypeError(`The template "${id}" holds no element.`);
  return copy;
}

/** Writes text only where it differs, so that an unchanged node costs no layout and is not read out again. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Same for attributes; `undefined` takes the attribute away. */
export function setAttribute(node: Element, name: string, value: string | undefined): void {
  if (value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Hides or shows; true if that changed anything. */
export function setHidden(node: HTMLElement, hidden: boolean): boolean {
  if (node.hidden === hidden) return false;
  node.hidden = hidden;
  return true;
}

/** Points an `<svg><use>` at another symbol of the sprite in index.html. */
export function setIcon(root: ParentNode, symbol: string): void {
  setAttribute(part(root, 'use', SVGUseElement), 'href', `#icon-${symbol}`);
}
