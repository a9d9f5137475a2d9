// Uploads: slow ones, ones that break off, and ones that are refused.

import assert from 'node:assert/strict';

import { Account, passwordOf } from '../support/api.mjs';
import { docx, real, sha256 } from '../support/documents.mjs';
import { eventually, scenario } from '../support/stage.mjs';

const MEGABYTE = 1_000_000;

scenario('A large upload is cancelled, which leaves nothing, and tried again, which makes one file', async (stage) => {
  const account = await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  const film = docx('Film.docx', { bytes: 8 * MEGABYTE });
  await network(olivia, { upload: MEGABYTE });
  await olivia.choose(film);
  const row = olivia.uploading('Film.docx');
  await olivia.sees(row.getByRole('progressbar', { name: 'Upload of Film.docx' }));
  // How far it is, how fast, and for how long still.
  await olivia.sees(row.getByText(/^[\d.]+ [kM]B of 8(\.\d+)? MB, [\d.]+ [kM]B\/s, \d+ seconds? left$/));
  await olivia.page.getByRole('button', { name: 'Cancel the upload of Film.docx' }).click();
  await olivia.sees(row.getByText('Cancelled. Nothing of it was kept.'));
  await olivia.seesNot(row.getByRole('progressbar'));
  assert.deepEqual(await account.files(), []);

  await network(olivia, {});
  await olivia.page.getByRole('button', { name: 'Try again: Film.docx' }).click();
  await olivia.sees(row.getByText(/^Uploaded, /));
  await olivia.sees(olivia.row('Film.docx'));
  assert.deepEqual((await account.files()).map(({ filename, sha256 }) => [filename, sha256]), [['Film.docx', sha256(film.buffer)]]);
  assert.deepEqual(await olivia.files(), ['Film.docx']);

  await olivia.page.getByRole('button', { name: 'Clear what is over' }).click();
  await olivia.seesNot(row);
});

scenario('An upload that breaks off is tried again by its button', async (stage) => {
  const account = await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  const again = olivia.page.getByRole('button', { name: 'Try again: Plan.docx' });
  await network(olivia, { offline: true });
  await olivia.choose(docx('Plan.docx', { bytes: 8 * MEGABYTE }));
  const row = olivia.uploading('Plan.docx');
  await olivia.sees(row.getByText(/did not answer\. Check your connection, and try again/));

  // The network is there again, and the server goes in the middle.
  await network(olivia, { upload: MEGABYTE });
  await again.click();
  await olivia.sees(row.getByText(/ of 8(\.\d+)? MB/));
  await stage.server.end();
  await olivia.sees(row.getByText(/did not answer/));
  await stage.server.run();
  assert.deepEqual(await account.files(), []);
  await network(olivia, {});
  await again.click();
  await olivia.sees(row.getByText(/^Uploaded, /));
  assert.equal((await account.files()).length, 1);
});

scenario('What is refused is told at its row, with what to do, and the others go on', { flags: ['--max-upload', '2MB'] }, async (stage) => {
  const account = await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  const pdf = { name: 'Scan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n') };
  const disguised = { name: 'Scan.docx', mimeType: 'application/pdf', buffer: pdf.buffer };
  const large = docx('Film.docx', { bytes: 3 * MEGABYTE });
  await olivia.choose(pdf, await real('docx-js.docx'), disguised, large, await real('exceljs.xlsx'), await real('python-pptx.pptx'));
  await olivia.sees(olivia.uploading('Scan.pdf').getByText(/not taken here\. Save it as \.pptx, \.docx, \.xlsx/));
  await olivia.sees(olivia.uploading('Scan.docx').getByText(/not what its name says/));
  await olivia.sees(olivia.uploading('Film.docx').getByText(/too large/));
  for (const name of ['docx-js.docx', 'exceljs.xlsx', 'python-pptx.pptx']) await olivia.sees(olivia.uploading(name).getByText(/^Uploaded, /));
  const there = ['docx-js.docx', 'exceljs.xlsx', 'python-pptx.pptx'];
  assert.deepEqual((await account.files()).map(({ filename }) => filename).sort(), there);
  await eventually(async () => assert.deepEqual((await olivia.files()).sort(), there));
});

scenario('What was for one client goes to nobody else when it is tried again from another visit', async (stage) => {
  const account = await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  const forCarl = async () => {
    await olivia.page.getByText('For whom, and until when').click();
    await olivia.page.getByLabel('Some clients or groups only').check();
    await olivia.page.getByLabel('Username of a client').fill('carl');
  };
  await forCarl();
  await olivia.choose(docx('Offer.docx'));
  const again = olivia.page.getByRole('button', { name: 'Try again: Offer.docx' });
  await olivia.sees(olivia.uploading('Offer.docx').getByText(/no client of this name/));
  await olivia.goTo('Links');
  await olivia.goTo('Files');
  await account.addClient('carl');
  await again.click();
  await olivia.sees(olivia.uploading('Offer.docx').getByText(/^Uploaded, /));
  assert.deepEqual((await account.files()).map(({ audience }) => audience), [{ users: ['carl'], groups: [] }]);

  // Where it was chosen, it can be put right.
  await forCarl();
  await olivia.page.getByLabel('Username of a client').fill('carla');
  await olivia.choose(docx('Plan.docx'));
  await olivia.sees(olivia.uploading('Plan.docx').getByText(/no client of this name/));
  await olivia.page.getByRole('button', { name: 'Remove carla' }).click();
  await olivia.page.getByLabel('Username of a client').fill('carl');
  await olivia.page.getByRole('button', { name: 'Try again: Plan.docx' }).click();
  await olivia.sees(olivia.uploading('Plan.docx').getByText(/^Uploaded, /));
  const plan = (await account.files()).find(({ filename }) => filename === 'Plan.docx');
  assert.deepEqual(plan.audience, { users: ['carl'], groups: [] });
});

scenario("A day that was begun and not chosen stands in nobody's way", async (stage) => {
  const account = await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia', { timezoneId: 'Pacific/Kiritimati' });
  await olivia.page.getByText('For whom, and until when').click();
  const end = olivia.page.getByLabel('The files are there for');
  await end.selectOption('On a day of your choice');
  const day = olivia.page.getByLabel('Last day');
  const tomorrow = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Pacific/Kiritimati' }).format(Date.now() + 864e5);
  assert.equal(await day.getAttribute('min'), tomorrow);
  await day.fill('2020-02-02');
  await end.selectOption('7 days');
  await olivia.choose(docx('Plan.docx'));
  await olivia.sees(olivia.uploading('Plan.docx').getByText(/^Uploaded, /));
  assert.equal((await account.files()).length, 1);

  // Where it is asked for, the day is told as the user writes it.
  await olivia.page.getByRole('button', { name: 'For whom: Plan.docx' }).click();
  const sharing = olivia.page.getByRole('dialog');
  await sharing.getByLabel('It is there for').selectOption('On a day of your choice');
  await sharing.getByLabel('Last day').fill('2020-02-02');
  await sharing.getByRole('button', { name: 'Save' }).click();
  await olivia.sees(sharing.getByText(/^Choose \d{1,2} \p{L}+ \d{4} or a later day\.$/u));
});

scenario('Once all of it was sent, an upload is not said to be cancelled', async (stage) => {
  await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  await network(olivia, { upload: 4 * MEGABYTE });
  const cancel = olivia.page.getByRole('button', { name: 'Cancel the upload of Film.docx' });
  await olivia.choose(docx('Film.docx', { bytes: 4 * MEGABYTE }));
  await cancel.focus();
  await olivia.page.evaluate(() => {
    globalThis.offered = [];
    new MutationObserver(() => {
      const row = document.querySelector('.upload-row');
      if (/^Sent\./.test(row.querySelector('.told').textContent)) globalThis.offered.push([row.querySelectorAll('button').length, row === document.activeElement]);
    }).observe(document.querySelector('.upload-row .buttons'), { childList: true });
  });
  await olivia.sees(olivia.uploading('Film.docx').getByText(/^Uploaded, /));
  const offered = await olivia.page.evaluate(() => globalThis.offered);
  assert.deepEqual(offered[0], [0, true]);
});

scenario("An answer that is not the server's makes no upload done", async (stage) => {
  const account = await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  const portal = (route) => route.fulfill({ status: 200, contentType: 'text/html', body: '<h1>Welcome to our hotel</h1>' });
  await olivia.page.route(/\/(upload|links)\b/, portal);
  await olivia.choose(docx('Plan.docx'));
  await olivia.sees(olivia.uploading('Plan.docx').getByText(/did not answer/));
  await olivia.goTo('Links');
  await olivia.reads(/did not answer/);
  await olivia.page.unroute(/\/(upload|links)\b/, portal);
  await olivia.page.getByRole('button', { name: 'Try again: Plan.docx' }).click();
  await olivia.sees(olivia.uploading('Plan.docx').getByText(/^Uploaded, /));
  assert.equal((await account.files()).length, 1);
});

scenario('Three uploads go at once, a fourth waits, and each can be cancelled', async (stage) => {
  const account = await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  await network(olivia, { upload: MEGABYTE });
  const names = ['One.docx', 'Two.docx', 'Three.docx', 'Four.docx'];
  await olivia.choose(...names.map((name) => docx(name, { bytes: 4 * MEGABYTE })));
  for (const name of names.slice(0, 3)) await olivia.sees(olivia.uploading(name).getByText(/ of 4(\.\d+)? MB/));
  await olivia.sees(olivia.uploading('Four.docx').getByText('Waiting for its turn'));
  await olivia.page.getByRole('button', { name: 'Cancel the upload of Two.docx' }).click();
  await olivia.sees(olivia.uploading('Four.docx').getByText(/ of 4(\.\d+)? MB/));
  // They go on while something else is looked at.
  await olivia.goTo('Links');
  await network(olivia, {});
  await eventually(async () => assert.equal((await account.files()).length, 3));
  await olivia.goTo('Files');
  for (const name of ['One.docx', 'Three.docx', 'Four.docx']) await olivia.sees(olivia.uploading(name).getByText(/^Uploaded, /));
  assert.equal((await account.files()).length, 3);
});

scenario('A sign-in that expires meanwhile asks for the password once, and everything goes on', { flags: ['--access-lifetime', '5s'] }, async (stage) => {
  await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  await expired(stage, 'olivia');
  await olivia.choose(await real('docx-js.docx'), await real('exceljs.xlsx'), await real('python-pptx.pptx'));
  const asked = olivia.dialog('Please sign in again');
  await olivia.sees(asked);
  assert.equal(await asked.count(), 1, 'one question for three uploads');
  assert.equal(await asked.getByLabel('Username').inputValue(), 'olivia');
  await asked.getByLabel('Password').fill('not the password');
  await asked.getByRole('button', { name: 'Go on' }).click();
  await olivia.sees(asked.getByText(/username or the password is wrong/));
  await asked.getByLabel('Password').fill(passwordOf('olivia'));
  await asked.getByRole('button', { name: 'Go on' }).click();
  await olivia.seesNot(asked);
  for (const name of ['docx-js.docx', 'exceljs.xlsx', 'python-pptx.pptx']) {
    await olivia.sees(olivia.uploading(name).getByText(/^Uploaded, /));
    await olivia.sees(olivia.row(name));
  }

  // What was typed is still there when the password was asked for over it.
  await olivia.page.getByRole('button', { name: 'Make a link: docx-js.docx' }).click();
  const making = olivia.dialog('Link to a file');
  await making.getByLabel('Note to yourself').fill('For the auditors');
  await expired(stage, 'olivia');
  await making.getByRole('button', { name: 'Make the link' }).click();
  await asked.getByLabel('Password').fill(passwordOf('olivia'));
  await asked.getByRole('button', { name: 'Go on' }).click();
  await olivia.sees(making.getByText('The link is ready.'));
  const account = await Account.signIn(stage.url, 'olivia');
  const { links } = await account.call('GET', '/links');
  assert.deepEqual(links.map(({ note }) => note), ['For the auditors']);
});

/** Lets a person's network take so many bytes a second (-1: any number), or nothing at all. */
async function network(person, { upload = -1, offline = false }) {
  person.devtools ??= await person.context.newCDPSession(person.page);
  await person.devtools.send('Network.enable');
  await person.devtools.send('Network.emulateNetworkConditions', {
    offline, latency: 0, downloadThroughput: -1, uploadThroughput: upload,
  });
}

/** Waits until a sign-in of now is over, and each that was before it. */
async function expired(stage, name) {
  const account = await Account.signIn(stage.url, name);
  await eventually(() => account.call('GET', '/session', undefined, /401/));
}
