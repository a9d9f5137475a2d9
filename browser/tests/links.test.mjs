// Managed links in the page: made, changed, revoked, and what became of them.

import assert from 'node:assert/strict';

import { docx } from '../support/documents.mjs';
import { eventually, scenario } from '../support/stage.mjs';

scenario('A link is made with all that it can have, changed, and revoked', async (stage) => {
  const account = await stage.operations('olivia');
  for (const name of ['Plan.docx', 'Budget.docx']) await account.upload(docx(name));
  const olivia = await stage.signedIn('olivia');
  const only = async () => (await account.call('GET', '/links')).links[0];

  // Two files are chosen in the list.
  await olivia.page.getByLabel('Choose Plan.docx').check();
  await olivia.page.getByLabel('Choose Budget.docx').check();
  const tray = olivia.page.getByRole('region', { name: 'Chosen files' });
  await olivia.sees(tray.getByText('2 files chosen'));
  await tray.getByRole('button', { name: 'Make one link to them' }).click();
  const making = olivia.dialog('Link to 2 files');
  await making.getByLabel('The link works for').selectOption('30 days');
  await making.getByLabel('E-mail address of the recipient').fill('no address');
  await making.getByLabel('Password').fill('short');
  await making.getByLabel('Downloads at most').fill('5');
  await making.getByLabel('Note to yourself').fill('For the auditors');
  const make = making.getByRole('button', { name: 'Make the link' });
  await make.click();
  assert.equal(await making.getByLabel('E-mail address of the recipient').getAttribute('aria-invalid'), 'true');
  await making.getByLabel('E-mail address of the recipient').fill('paula@example.org');
  await make.click();
  await olivia.sees(making.getByText(/too short: it needs 8 characters/));
  assert.equal(await making.getByLabel('Password').getAttribute('aria-invalid'), 'true');
  await making.getByLabel('Password').fill('correct horse');
  await make.click();
  await olivia.sees(making.getByText('The link is ready.'));
  assert.match(await making.getByLabel('Address of the link').inputValue(), /\/l\/[\w-]{20,}$/);
  await making.getByRole('button', { name: 'Done' }).click();
  const { recipient, max_downloads, note, has_password, expires_at } = await only();
  assert.deepEqual({ recipient, max_downloads, note, has_password },
    { recipient: 'paula@example.org', max_downloads: 5, note: 'For the auditors', has_password: true });
  const days = (new Date(expires_at) - Date.now()) / 86_400_000;
  assert.ok(days > 29.9 && days < 30.1, `${days} days`);

  await olivia.goTo('Links');
  const row = olivia.row('Plan.docx');
  for (const text of ['Budget.docx', 'For the auditors', 'paula@example.org', 'With a password', '0 of 5', 'Active']) {
    await olivia.sees(row.getByText(text));
  }

  // What is not touched stays.
  await row.getByRole('button', { name: /^Change: / }).click();
  const changing = olivia.dialog('Change the link');
  assert.equal(await changing.getByLabel('Note to yourself').inputValue(), 'For the auditors');
  await changing.getByLabel('Downloads at most').fill('7');
  await changing.getByLabel('Take the password away').check();
  await changing.getByRole('button', { name: 'Save' }).click();
  await olivia.seesNot(changing);
  await olivia.sees(row.getByText('0 of 7'));
  const changed = await only();
  assert.deepEqual([changed.max_downloads, changed.has_password, changed.note, changed.expires_at], [7, false, 'For the auditors', expires_at]);

  await row.getByRole('button', { name: /^Revoke: / }).click();
  const asked = olivia.dialog('Revoke the link?');
  await asked.getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await only()).revoked, false);
  await row.getByRole('button', { name: /^Revoke: / }).click();
  await asked.getByRole('button', { name: 'Revoke' }).click();
  await olivia.sees(row.getByText('Revoked'));
  assert.equal((await only()).revoked, true);
  assert.equal(await row.getByRole('button', { name: /^Change: / }).count(), 0, 'a revoked link is not changed');
});

scenario('The list says which links work, and which have ended, been used up or been revoked', async (stage) => {
  const account = await stage.operations('olivia');
  const of = async (name, properties) => account.link([await account.upload(docx(name))], { note: name, ...properties });
  await of('Works.docx', {});
  await of('Ends.docx', { expires_in: 1 });
  const spent = await of('Used.docx', { max_downloads: 1 });
  await fetch(spent.url, { method: 'POST' });
  const revoked = await of('Revoked.docx', {});
  await account.call('DELETE', `/links/${revoked.id}`);
  const gone = await of('Gone.docx', {});
  await account.call('DELETE', `/files/${gone.files[0].id}`);
  const ended = async () => assert.ok((await account.call('GET', '/links')).links.some(({ expires_at }) => new Date(expires_at) <= Date.now()));
  await eventually(ended);

  const olivia = await stage.signedIn('olivia');
  await olivia.goTo('Links');
  for (const [name, state] of [['Works.docx', 'Active'], ['Ends.docx', 'Ended'], ['Used.docx', 'Used up'], ['Revoked.docx', 'Revoked']]) {
    await olivia.sees(olivia.row(name).getByText(state, { exact: true }));
  }
  await olivia.sees(olivia.page.getByText('A file that is gone'));
});
