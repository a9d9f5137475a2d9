// That these tests notice what no page may do.

import assert from 'node:assert/strict';

import { eventually, scenario } from '../support/stage.mjs';

const DEEDS = [
  ['a script from elsewhere', () => import('data:text/javascript,1').catch(() => {}), /the policy was violated: script-src/],
  ['an inline style', () => document.body.setAttribute('style', 'color: red'), /the policy was violated: style-src/],
  ['markup from a text', () => { try { document.body.innerHTML = '<b>'; } catch { /* refused */ } }, /the policy was violated: require-trusted-types-for|TrustedHTML/],
  ['a request to another host', () => { new Image().src = 'http://localhost:9/pixel'; }, /the policy was violated: img-src/],
  ['an asset that is missing', () => fetch('/assets/0/none.js'), /404 for .*none\.js/],
  ['an exception', () => { setTimeout(() => { throw new Error('unexpected'); }); }, /Error: unexpected/],
  ['an error on the console', () => console.error('unexpected'), /the console says: unexpected/],
];

scenario('What no page may do is noticed', async (stage) => {
  const olivia = await stage.somebody();
  await olivia.visit();
  await olivia.sees(olivia.page.getByRole('button', { name: 'Sign in' }));
  assert.deepEqual(olivia.amiss, []);
  for (const [what, deed, noticed] of DEEDS) {
    olivia.amiss.length = 0;
    await olivia.page.evaluate(deed);
    await eventually(async () => assert.ok(olivia.amiss.some((text) => noticed.test(text)), `${what}: ${olivia.amiss}`));
  }
  olivia.amiss.length = 0;
});
