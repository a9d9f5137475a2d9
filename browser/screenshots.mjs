// The pictures of docs/screenshots: the same people, documents and places each time.

import { mkdir, rm } from 'node:fs/promises';

import { Account, passwordOf } from './support/api.mjs';
import { docx, real } from './support/documents.mjs';
import { dismiss, PHONE, Stage } from './support/stage.mjs';

const FOLDER = new URL('../docs/screenshots/', import.meta.url).pathname;

/** One of these, so that a picture is as large as a phone shows it. */
const SMALL = { ...PHONE, deviceScaleFactor: 1 };

const DOCUMENTS = [
  ['Supplier contract 2027.docx', 'libreoffice.docx', 'everybody'],
  ['Inspection report Hall 3.docx', 'docx-js.docx', 'user:marta.weber'],
  ['Price list spring.xlsx', 'exceljs.xlsx', 'group:Retail partners'],
  ['Board meeting slides.pptx', 'pptxgenjs.pptx', 'nobody'],
  ['Annual report 2026.docx', 'python-docx.docx', 'everybody'],
  ['Budget draft.xlsx', 'openpyxl.xlsx', 'group:Auditors'],
];

const stage = await Stage.set();
try {
  await take(stage);
  stage.assertNothingAmiss();
} finally {
  await stage.close();
  await dismiss();
}

async function take(stage) {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  const picture = (person, name) => person.page.screenshot({ path: `${FOLDER}${name}.png`, animations: 'disabled', caret: 'hide' });

  const account = await stage.operations('olivia');
  for (const name of ['marta.weber', 'carl.brandt', 'dora.lind']) await account.addClient(name);
  const groups = new Map();
  for (const [name, members, days] of [['Auditors', ['carl.brandt'], 365], ['Retail partners', ['marta.weber', 'dora.lind'], null]]) {
    groups.set(`group:${name}`, `group:${(await account.group(name, members, days)).id}`);
  }
  const files = new Map();
  for (const [name, writer, audience] of DOCUMENTS) {
    const whom = { audience: groups.get(audience) ?? audience, ...(name === 'Budget draft.xlsx' && { expires_in: 30 * 86_400 }) };
    files.set(name, await account.upload(await real(writer, name), whom));
  }
  const marta = await Account.signIn(stage.url, 'marta.weber');
  const { download_url } = await marta.call('GET', '/generate_download_url/Annual%20report%202026.docx');
  await (await fetch(download_url)).arrayBuffer();
  const link = (names, properties) => account.link(names.map((name) => files.get(name)), properties);
  const open = await link(['Annual report 2026.docx', 'Supplier contract 2027.docx'], { note: 'For the notary', max_downloads: 5 });
  await fetch(open.url, { method: 'POST' });
  const guarded = await link(['Inspection report Hall 3.docx'], { password: 'correct horse', max_downloads: 2, note: 'For the insurer' });
  const spent = await link(['Price list spring.xlsx'], { max_downloads: 1 });
  await fetch(spent.url, { method: 'POST' });
  const revoked = await link(['Board meeting slides.pptx'], { note: 'Sent to the wrong address' });
  await account.call('DELETE', `/links/${revoked.id}`);

  const olivia = await stage.somebody();
  await olivia.visit();
  await olivia.page.getByLabel('Username').fill('olivia');
  await picture(olivia, 'sign-in');
  await olivia.signIn('olivia');
  await olivia.sees(olivia.row('Budget draft.xlsx'));
  await olivia.page.getByRole('heading', { level: 1 }).focus();
  await picture(olivia, 'files');
  await olivia.page.emulateMedia({ colorScheme: 'dark' });
  await picture(olivia, 'files-dark');
  await olivia.page.emulateMedia({ colorScheme: 'light' });

  // An upload that is under way, one that is over and one that is refused.
  await olivia.choose(docx('Minutes November.docx', { text: 'Minutes' }), { name: 'Site plan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n') });
  await olivia.sees(olivia.uploading('Minutes November.docx').getByText(/^Uploaded, /));
  const devtools = await olivia.context.newCDPSession(olivia.page);
  await devtools.send('Network.enable');
  const speed = (uploadThroughput) => devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
  await speed(1_200_000);
  await olivia.choose(docx('Training film.docx', { bytes: 12_000_000 }));
  await olivia.sees(olivia.uploading('Training film.docx').getByText(/left$/));
  await olivia.page.evaluate(() => scrollTo(0, 0));
  await picture(olivia, 'upload');
  await speed(-1);
  await olivia.sees(olivia.uploading('Training film.docx').getByText(/^Uploaded, /));
  await olivia.page.getByRole('button', { name: 'Clear what is over' }).click();

  await olivia.page.getByRole('button', { name: 'Make a link: Annual report 2026.docx' }).click();
  const making = olivia.dialog('Link to a file');
  await making.getByLabel('Password').fill('correct horse');
  await making.getByLabel('Downloads at most').fill('2');
  await making.getByLabel('Note to yourself').fill('For the bank');
  await olivia.page.getByRole('heading', { name: 'Link to a file' }).focus();
  await picture(olivia, 'link');
  await making.getByRole('button', { name: 'Cancel' }).click();
  await olivia.goTo('Links');
  await olivia.reads('For the notary');
  await picture(olivia, 'links');
  await olivia.goTo('Trail');
  await olivia.page.getByLabel('Order').selectOption('Newest first');
  await olivia.reads('A link was revoked.');
  await olivia.page.getByRole('heading', { level: 1 }).focus();
  await picture(olivia, 'trail');

  const paula = await stage.somebody({ locale: 'en-GB' });
  await paula.visit(open.url);
  await picture(paula, 'landing');
  const phone = await stage.somebody(SMALL);
  await phone.visit(guarded.url);
  await picture(phone, 'landing-phone');
  const client = await stage.somebody({ ...SMALL, locale: 'de-DE' });
  await client.visit();
  await client.page.getByLabel('Benutzername').fill('marta.weber');
  await client.page.getByLabel('Passwort').fill(passwordOf('marta.weber'));
  await client.page.getByRole('button', { name: 'Anmelden' }).click();
  await client.sees(client.page.getByRole('heading', { level: 1, name: 'Dateien für Sie' }));
  await client.sees(client.page.getByText('Annual report 2026.docx'));
  await picture(client, 'client-phone-german');
}
