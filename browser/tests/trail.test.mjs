// The trail, as people read it.

import assert from 'node:assert/strict';

import { docx } from '../support/documents.mjs';
import { eventually, scenario } from '../support/stage.mjs';

scenario('What happened is told in sentences, with what was recorded below', async (stage) => {
  const account = await stage.operations('olivia');
  await stage.client('carl');
  const file = await account.upload(docx('Report.docx'));
  await account.group('Auditors', ['carl']);
  const link = await account.link([file]);
  await account.call('DELETE', `/links/${link.id}`);
  await account.call('DELETE', `/files/${file.id}`);
  const olivia = await stage.signedIn('olivia');
  await olivia.goTo('Trail');
  const table = olivia.page.getByRole('table', { name: 'Trail' });
  for (const sentence of [
    'Report.docx was uploaded.', /Auditors was made/, /into Auditors/, 'A link was made.', 'A link was revoked.', 'Report.docx was removed.',
  ]) await olivia.sees(table.getByText(sentence));
  const uploaded = table.getByRole('row').filter({ hasText: 'Report.docx was uploaded.' });
  assert.match(await uploaded.innerText(), /olivia/);
  await uploaded.getByText('Details').click();
  await olivia.sees(uploaded.getByText(file.sha256));
  // No kind is told by its name in the API, and no person or thing by its id.
  const told = await table.getByRole('row').locator('td').allInnerTexts();
  for (const text of told.filter((text) => !text.includes(file.sha256))) assert.doesNotMatch(text, /[0-9a-f]{32}|\{\w+\}|undefined|null/);
});

scenario('A long trail comes in pages, from either end', async (stage) => {
  const account = await stage.operations('olivia');
  for (let n = 1; n <= 120; n++) await account.group(`Group ${n}`);
  const olivia = await stage.signedIn('olivia');
  await olivia.goTo('Trail');
  const turns = olivia.page.getByRole('navigation', { name: 'Pages' });
  const sees = (n) => olivia.sees(olivia.page.getByRole('cell', { name: new RegExp(`Group ${n} was made`) }));
  await olivia.page.getByLabel('Order').selectOption('Oldest first');
  await sees(1);
  await turns.getByRole('button', { name: 'Next' }).click();
  await sees(120);
  await turns.getByRole('button', { name: 'Back' }).click();
  await sees(1);
  await olivia.page.getByLabel('Order').selectOption('Newest first');
  await sees(120);
  await eventually(async () => assert.equal(await olivia.page.getByText('Group 1 was made').count(), 0));
});
