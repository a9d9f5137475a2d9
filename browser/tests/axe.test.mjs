// Everything that the page shows, by the rules of axe-core: in light and in dark, on a desktop and on a phone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { DESKTOP, PHONE, scenario } from '../support/stage.mjs';
import { everything } from '../support/tour.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const GRAVE = ['serious', 'critical'];

for (const [device, dress] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  scenario(`Nothing on a ${device} keeps anybody out, in light or in dark`, { mail: true }, async (stage) => {
    const [grave, others, places] = [[], new Set(), new Set()];
    await everything(stage, dress, async (page, place) => {
      places.add(place);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
        for (const { id, impact, help, nodes } of violations) {
          const what = `${impact}: ${id} (${help}) at “${place}”, ${colorScheme}`;
          if (GRAVE.includes(impact)) grave.push(`${what}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join('\n')}`);
          else others.add(what);
        }
      }
      await page.emulateMedia({ colorScheme: 'light' });
    });
    for (const what of others) console.log(what);
    assert.ok(places.size > 25, `${places.size} places were looked at`);
    assert.deepEqual(grave, [], grave.join('\n'));
  });
}
