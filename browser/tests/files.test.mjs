// The list of files: finding, sharing, ending and removing.

import assert from 'node:assert/strict';

import { docx } from '../support/documents.mjs';
import { eventually, scenario } from '../support/stage.mjs';

scenario('Files are found by a part of their name, and put in order', async (stage) => {
  const account = await stage.operations('olivia');
  for (const [name, bytes] of [['Budget 10.docx', 100], ['Notes.docx', 3000], ['budget 9.docx', 2000]]) {
    await account.upload(docx(name, { bytes }));
  }
  const olivia = await stage.signedIn('olivia');
  const shows = (...names) => eventually(async () => assert.deepEqual(await olivia.files(), names));
  await shows('budget 9.docx', 'Notes.docx', 'Budget 10.docx');
  const order = olivia.page.getByLabel('Order');
  await order.selectOption('Oldest first');
  await shows('Budget 10.docx', 'Notes.docx', 'budget 9.docx');
  await order.selectOption('By name');
  await shows('budget 9.docx', 'Budget 10.docx', 'Notes.docx');
  await order.selectOption('Largest first');
  await shows('Notes.docx', 'budget 9.docx', 'Budget 10.docx');
  await olivia.page.getByRole('searchbox', { name: 'Search by name' }).fill('BUDGET');
  await shows('budget 9.docx', 'Budget 10.docx');
  await olivia.sees(olivia.page.getByRole('status').getByText('2 files found'));
  await olivia.page.getByRole('searchbox').fill('invoice');
  await olivia.reads('No file has “invoice” in its name.');
  await olivia.page.getByRole('searchbox').fill('');
  await shows('Notes.docx', 'budget 9.docx', 'Budget 10.docx');
});

scenario('A name that is markup is a name', async (stage) => {
  const account = await stage.operations('olivia');
  const name = `<img src=x onerror="document.title='had'">&amp;{name}`;
  const group = await account.group(name);
  const file = await account.upload(docx(`${name}.docx`), { audience: `group:${group.id}` });
  const { url } = await account.link([file], { note: name });
  const olivia = await stage.signedIn('olivia');
  await eventually(async () => assert.deepEqual(await olivia.files(), [`${name}.docx`]));
  await olivia.sees(olivia.row(`${name}.docx`).getByText(name, { exact: true }));
  await olivia.page.getByRole('button', { name: /^For whom: / }).click();
  await olivia.sees(olivia.page.getByRole('dialog').getByLabel(name));
  await olivia.page.keyboard.press('Escape');
  for (const view of ['Links', 'Groups', 'Trail']) {
    await olivia.goTo(view);
    await olivia.reads(name);
  }
  assert.equal(await olivia.page.title(), 'Trail · Consign');
  const paula = await stage.somebody();
  await paula.visit(url);
  await paula.reads(`${name}.docx`);
});

scenario('A long list comes in pages', async (stage) => {
  const account = await stage.operations('olivia');
  for (let n = 1; n <= 60; n++) await account.upload(docx(`Letter ${n}.docx`));
  const olivia = await stage.signedIn('olivia');
  const turns = olivia.page.getByRole('navigation', { name: 'Pages' });
  const [back, next] = [turns.getByRole('button', { name: 'Back' }), turns.getByRole('button', { name: 'Next' })];
  const shows = (first, last, count) => eventually(async () => {
    const names = await olivia.files();
    assert.deepEqual([names[0], names.at(-1), names.length], [`Letter ${first}.docx`, `Letter ${last}.docx`, count]);
  });
  await shows(60, 11, 50);
  await olivia.sees(turns.getByText('1–50 of 60'));
  assert.equal(await back.isDisabled(), true);
  await next.click();
  await shows(10, 1, 10);
  assert.equal(await next.isDisabled(), true);
  await back.click();
  await shows(60, 11, 50);
  await olivia.page.getByLabel('Order').selectOption('By name');
  await shows(1, 50, 50);
});

scenario('A file for one client is not there for another', async (stage) => {
  const account = await stage.operations('olivia');
  await stage.client('carl');
  await stage.client('dora');
  await account.upload(docx('Offer.docx'));
  const [olivia, carl, dora] = [await stage.signedIn('olivia'), await stage.signedIn('carl'), await stage.signedIn('dora')];
  await dora.reads('Offer.docx');

  await olivia.page.getByRole('button', { name: 'For whom: Offer.docx' }).click();
  const sharing = olivia.dialog('For whom is Offer.docx, and until when?');
  assert.equal(await sharing.getByLabel('Every client').isChecked(), true);
  await sharing.getByLabel('Some clients or groups only').check();
  await sharing.getByLabel('Username of a client').fill('nobody of this name');
  await sharing.getByRole('button', { name: 'Save' }).click();
  await olivia.sees(sharing.getByText(/There is no client of this name/));
  await sharing.getByRole('button', { name: 'Remove nobody of this name' }).click();
  await sharing.getByLabel('Username of a client').fill('carl');
  await sharing.getByRole('button', { name: 'Add' }).click();
  await sharing.getByRole('button', { name: 'Save' }).click();
  await olivia.seesNot(sharing);
  await olivia.sees(olivia.row('Offer.docx').getByText('carl'));

  for (const [person, there] of [[carl, 1], [dora, 0]]) {
    await person.page.getByLabel('Order').selectOption('Oldest first');
    await eventually(async () => assert.equal(await person.row('Offer.docx').count(), there));
  }
  await dora.reads('There are no files for you yet.');
});

scenario('What is chosen before an upload counts for it: for whom, and until when', async (stage) => {
  const account = await stage.operations('olivia');
  await stage.client('carl');
  const group = await account.group('Auditors', ['carl']);
  const olivia = await stage.signedIn('olivia');
  await olivia.page.getByText('For whom, and until when').click();
  await olivia.page.getByLabel('Some clients or groups only').check();
  await olivia.page.getByLabel('Auditors').check();
  await olivia.page.getByLabel('The files are there for').selectOption('7 days');
  await olivia.choose(docx('Ledger.docx'));
  await olivia.sees(olivia.uploading('Ledger.docx').getByText(/^Uploaded, /));
  await olivia.sees(olivia.row('Ledger.docx').getByText('Auditors'));
  const [file] = await account.files();
  assert.deepEqual(file.audience, { users: [], groups: [group.id] });
  const days = (new Date(file.expires_at) - new Date(file.uploaded_at)) / 86_400_000;
  assert.ok(Math.abs(days - 7) < 0.01, `${days} days`);
});

scenario('A file ends, and is had back from what was removed', async (stage) => {
  const account = await stage.operations('olivia');
  await account.upload(docx('Short.docx'), { expires_in: 1 });
  await eventually(async () => assert.deepEqual(await account.files(), []));
  // It is among what was removed within a minute, or when the server starts.
  await stage.server.end();
  await stage.server.run();
  const olivia = await stage.signedIn('olivia');
  await olivia.reads('There are no files yet.');
  await olivia.goTo('Removed files', 'Removed');
  const row = olivia.row('Short.docx');
  await olivia.sees(row.getByText('It was at its end'));
  await olivia.page.getByRole('button', { name: 'Have it back: Short.docx' }).click();
  await olivia.reads('Short.docx is there again.');
  await olivia.goTo('Files');
  await olivia.sees(olivia.row('Short.docx').getByText('Never'));
});

scenario('A file is removed, and that is undone; removed again, it is removed for good', async (stage) => {
  const account = await stage.operations('olivia');
  await account.upload(docx('Draft.docx'));
  const olivia = await stage.signedIn('olivia');
  await olivia.page.getByRole('button', { name: 'Remove: Draft.docx' }).click();
  await olivia.reads('Draft.docx was removed.');
  assert.deepEqual(await account.files(), []);
  const undo = olivia.page.getByRole('button', { name: 'Undo' });
  await eventually(async () => assert.equal(await undo.evaluate((button) => button === document.activeElement), true));
  await undo.click();
  await olivia.sees(olivia.page.getByRole('button', { name: 'Remove: Draft.docx' }));
  assert.equal((await account.files()).length, 1);

  await olivia.page.getByRole('button', { name: 'Remove: Draft.docx' }).click();
  await olivia.reads('Draft.docx was removed.');
  await olivia.goTo('Removed files', 'Removed');
  await olivia.sees(olivia.row('Draft.docx').getByText('Removed by olivia'));
  await olivia.page.getByRole('button', { name: 'Remove for good: Draft.docx' }).click();
  await olivia.dialog('Remove the file for good?').getByRole('button', { name: 'Remove for good' }).click();
  await olivia.reads('Draft.docx was removed for good.');
  assert.deepEqual((await account.call('GET', '/removed-files')).files, []);
});

scenario('Where nothing can be had back, removing asks first', { flags: ['--removal-grace', '0s'] }, async (stage) => {
  const account = await stage.operations('olivia');
  await account.upload(docx('Draft.docx'));
  const olivia = await stage.signedIn('olivia');
  await olivia.page.getByRole('button', { name: 'Remove: Draft.docx' }).click();
  const asked = olivia.dialog('Remove the file?');
  await asked.getByRole('button', { name: 'Cancel' }).click();
  await olivia.seesNot(asked);
  assert.equal((await account.files()).length, 1);
  await olivia.page.getByRole('button', { name: 'Remove: Draft.docx' }).click();
  await asked.getByRole('button', { name: 'Remove' }).click();
  await olivia.reads('Draft.docx was removed for good.');
  assert.deepEqual(await account.files(), []);
});

scenario('A download that is refused leaves who asked where they are', async (stage) => {
  const account = await stage.operations('olivia');
  await stage.client('carl');
  await account.upload(docx('Plan.docx'), { audience: 'user:carl' });
  const carl = await stage.signedIn('carl');
  const { page } = carl;
  const download_url = `${stage.url}/download_file/not-a-token`;
  await page.route('**/generate_download_url/*', (route) => route.fulfill({ json: { download_url, message: 'success' } }));
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download: Plan.docx' }).click()]);
  assert.notEqual(await download.failure(), null);
  await page.locator('#live').getByText('The download of Plan.docx begins.').waitFor({ state: 'attached' });
  // Still signed in, which a page that is loaded anew would not be.
  await page.getByRole('button', { name: 'Make a link: Plan.docx' }).click();
  await page.evaluate(() => {
    Object.defineProperty(navigator, 'clipboard', { value: { writeText: () => Promise.reject(new Error('no')) } });
    document.execCommand = () => false;
  });
  await page.getByRole('button', { name: 'Make the link' }).click();
  await page.getByRole('button', { name: 'Copy' }).click();
  await carl.reads(/could not be copied for you/);
  const selected = await page.getByLabel('Address of the link').evaluate((input) =>
    input === document.activeElement && input.value.slice(input.selectionStart, input.selectionEnd) === input.value);
  assert.ok(selected);
});
