// A small phone: nothing is wider than it, and everything can be hit with a finger.

import assert from 'node:assert/strict';

import { scenario, SMALL_PHONE } from '../support/stage.mjs';
import { everything } from '../support/tour.mjs';

scenario('Everything fits a phone that is 360 pixels wide, and fingers', { mail: true }, async (stage) => {
  const found = [];
  await everything(stage, SMALL_PHONE, async (page, place) => {
    for (const what of await page.evaluate(inspect)) found.push(`${place}: ${what}`);
  });
  assert.deepEqual(found, []);
});

/** What does not fit; this runs in the page. */
function inspect() {
  const found = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) found.push(`${wide} pixels wide, of ${innerWidth}`);
  // Behind a modal dialog nothing can be reached.
  const top = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
  const name = (element) => `${element.localName} “${(element.getAttribute('aria-label') ?? element.innerText ?? element.id).slice(0, 60)}”`;
  // What is there for screen readers alone is clipped.
  const isClipped = (element) => element !== null && (getComputedStyle(element).clipPath !== 'none' || isClipped(element.parentElement));
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && !isClipped(element);
  const scrolls = (element) => {
    for (let parent = element.parentElement; parent; parent = parent.parentElement) {
      if (['auto', 'scroll'].includes(getComputedStyle(parent).overflowX)) return true;
    }
    return false;
  };
  for (const element of top.querySelectorAll('*')) {
    if (!isShown(element)) continue;
    const { left, right } = element.getBoundingClientRect();
    if ((right > innerWidth + 1 || left < -1) && !scrolls(element)) found.push(`${name(element)} is from ${left} to ${right}`);
  }
  // A box to tick is hit by its label too.
  const target = (element) => (element.labels?.length && ['checkbox', 'radio', 'file'].includes(element.type) ? [element, ...element.labels] : [element]);
  for (const element of top.querySelectorAll('a[href], button, input, select, textarea, summary')) {
    if (!isShown(element) || element.disabled) continue;
    // WCAG 2.2, 2.5.8, lets links be as they are in a sentence.
    if (element.localName === 'a' && getComputedStyle(element).display === 'inline' && element.parentElement.innerText.trim() !== element.innerText.trim()) continue;
    const boxes = target(element).map((part) => part.getBoundingClientRect());
    const [width, height] = [Math.max(...boxes.map((box) => box.width)), Math.max(...boxes.map((box) => box.height))];
    if (width < 24 || height < 24) found.push(`${name(element)} is ${width} × ${height}`);
    const isMain = element.matches('form button:not([type=button]), .button');
    if (isMain && height < 44) found.push(`${name(element)} is a main button, ${height} high`);
  }
  return found;
}
