// How little it takes to see the page.

import assert from 'node:assert/strict';

import { docx } from '../support/documents.mjs';
import { scenario } from '../support/stage.mjs';

/** Bytes of all that the first visit loads, uncompressed. */
const MOST = 150_000;

scenario('The first visit loads little, and the next nothing that has not changed', async (stage) => {
  const olivia = await stage.somebody();
  const loaded = [];
  olivia.page.on('response', (response) => loaded.push(response));
  await olivia.visit();
  await olivia.sees(olivia.page.getByRole('button', { name: 'Sign in' }));
  await olivia.page.waitForLoadState('networkidle');
  const sizes = await Promise.all(loaded.map(async (response) => [new URL(response.url()).pathname, (await response.body()).length]));
  const sum = sizes.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(sum < MOST, `${sum} bytes: ${JSON.stringify(sizes)}`);

  loaded.length = 0;
  await olivia.page.reload();
  await olivia.page.waitForLoadState('networkidle');
  const again = await Promise.all(loaded.map(async (response) => [response.status(), await response.request().sizes()]));
  assert.ok(again.every(([, { responseBodySize }]) => responseBodySize <= 0), JSON.stringify(again));
});

scenario('The first answer alone shows the form to sign in with', async (stage) => {
  const olivia = await stage.somebody();
  const blocked = [];
  await olivia.page.route('**', (route, request) => {
    if (new URL(request.url()).pathname === '/') return route.continue();
    blocked.push(request.url());
    return route.abort();
  });
  await olivia.visit();
  for (const label of ['Username', 'Password', 'Stay signed in']) await olivia.sees(olivia.page.getByLabel(label));
  await olivia.sees(olivia.page.getByRole('button', { name: 'Sign in' }));
  assert.ok(blocked.length > 0);
  const { fontSize, background } = await olivia.page.getByRole('button', { name: 'Sign in' }).evaluate((button) => {
    const style = getComputedStyle(button);
    return { fontSize: style.fontSize, background: style.backgroundColor };
  });
  assert.deepEqual([fontSize, background], ['16px', 'rgb(12, 107, 99)'], 'with its style');
});

scenario('Without a script the page says that it needs one, and links open all the same', async (stage) => {
  const account = await stage.operations('olivia');
  const document = docx('Report.docx');
  const { url } = await account.link([await account.upload(document)]);
  const paula = await stage.somebody({ javaScriptEnabled: false });
  await paula.visit();
  // Found by its element: Playwright takes no text of this one for text.
  await paula.sees(paula.page.locator('noscript p'));
  await paula.visit(url);
  const received = await paula.downloads(() => paula.page.getByRole('button', { name: 'Download' }).click());
  assert.deepEqual(received.bytes, document.buffer);
});
