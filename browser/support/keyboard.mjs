// Somebody who has no mouse: each key is pressed, and it is looked where the focus is.

import assert from 'node:assert/strict';

import { eventually } from './stage.mjs';

/** Elements that may have the focus without showing it: where one is taken to, not what one uses. */
const PLACES = 'h1, h2, main, dialog, li, [tabindex="-1"]';

export class Keyboard {
  constructor(person) {
    this.page = person.page;
    this.focus = person.page.locator(':focus');
  }

  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
    await this.assertFocus(keys.join(' '));
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  /** What has the focus, as it is read out: `button "Make the link"`. */
  async told() {
    if (!(await this.focus.count())) return 'nothing';
    const [, quoted, plain] = /^- (?:'((?:[^']|'')*)'|([^\n]*))/.exec(await this.focus.ariaSnapshot());
    return quoted?.replaceAll("''", "'") ?? plain;
  }

  /** Goes on until something has the focus whose name, and role, is as told. */
  async to(expected, key = 'Tab') {
    const passed = [];
    for (let step = 0; step < 80; step++) {
      const told = await this.told();
      if (expected.test(told)) return;
      passed.push(told);
      await this.page.keyboard.press(key);
      // After the last comes the browser, and then the first.
      if ((await this.told()) !== 'nothing') await this.assertFocus(key);
    }
    assert.fail(`no ${expected} among:\n${passed.join('\n')}`);
  }

  /** Waits until something has the focus by itself. */
  has(expected) {
    return eventually(async () => assert.match(await this.told(), expected));
  }

  /** The focus is on something that is seen to have it, and never lost. */
  async assertFocus(after) {
    // What a key does may take a moment.
    const found = await eventually(async () => {
      const found = await this.page.evaluate((places) => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const shown = [element, ...(element.labels ?? [])].filter((one) => one.checkVisibility());
        const outlined = shown.some((one) => {
          const { outlineStyle, outlineWidth } = getComputedStyle(one);
          return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
        });
        const boxes = shown.map((one) => one.getBoundingClientRect());
        const inside = boxes.some((box) => box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth);
        return { what: element.outerHTML.slice(0, 200), seen: outlined || element.matches(places), inside };
      }, PLACES);
      assert.ok(found, `the focus is lost after ${after}`);
      assert.ok(found.inside, `after ${after} the focus is out of sight: ${found.what}`);
      return found;
    });
    assert.ok(found.seen, `after ${after} the focus does not show: ${found.what}`);
  }
}
