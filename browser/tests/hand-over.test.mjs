// The whole way of a file: from who uploads it, to a client and to somebody without an account.

import assert from 'node:assert/strict';

import { emailOf } from '../support/api.mjs';
import { real } from '../support/documents.mjs';
import { eventually, PHONE, scenario } from '../support/stage.mjs';

scenario('A file is handed to a client and to somebody without an account', async (stage) => {
  const [report, budget, slides] = await Promise.all([
    real('python-docx.docx', 'Annual report.docx'),
    real('openpyxl.xlsx', 'Budget 2027.xlsx'),
    real('python-pptx.pptx', 'Kick-off.pptx'),
  ]);

  // Olivia sets the server up.
  const olivia = await stage.somebody();
  await olivia.visit();
  await olivia.register('olivia', { operations: true });
  await olivia.sees(olivia.page.getByRole('heading', { level: 1, name: 'Files' }));
  await olivia.reads('There are no files yet.');

  // Two documents by the file chooser, and one dropped onto the page.
  const chooser = olivia.page.waitForEvent('filechooser');
  await olivia.page.getByText('Choose files').click();
  await (await chooser).setFiles([report, budget]);
  for (const { name } of [report, budget]) await olivia.sees(olivia.uploading(name).getByText(/^Uploaded, /));
  await drop(olivia.page, slides);
  await olivia.sees(olivia.uploading('Kick-off.pptx').getByText(/^Uploaded, /));
  await eventually(async () => assert.deepEqual((await olivia.files()).sort(), ['Annual report.docx', 'Budget 2027.xlsx', 'Kick-off.pptx']));

  // Carl registers, signs in from where he left, and downloads one.
  const carl = await stage.somebody();
  await carl.visit();
  await carl.register('carl');
  await carl.sees(carl.page.getByRole('heading', { level: 1, name: 'Files for you' }));
  assert.equal(await carl.page.getByText('Choose files').count(), 0, 'clients upload nothing');
  const received = await carl.downloads(() => carl.page.getByRole('button', { name: 'Download: Annual report.docx' }).click());
  assert.equal(received.name, 'Annual report.docx');
  assert.deepEqual(received.bytes, report.buffer);

  // He is told what he has, and what not.
  await eventually(async () => {
    await carl.page.getByRole('button', { name: 'Downloads: Annual report.docx' }).click();
    const told = carl.dialog('Downloads of Annual report.docx');
    await carl.sees(told.getByText('downloaded').first());
    const yes = await told.getByText('Yes, it was downloaded.').count();
    await told.getByRole('button', { name: 'Close' }).click();
    assert.equal(yes, 1);
  });
  await carl.page.getByRole('button', { name: 'Downloads: Budget 2027.xlsx' }).click();
  const none = carl.dialog('Downloads of Budget 2027.xlsx');
  await carl.sees(none.getByText('You have not downloaded it yet.'));
  await none.getByRole('button', { name: 'Close' }).click();

  // Olivia sees that he has it.
  await eventually(async () => {
    await olivia.page.getByRole('button', { name: 'Downloads: Annual report.docx' }).click();
    const told = olivia.dialog('Downloads of Annual report.docx');
    await olivia.sees(told.getByText('downloaded').first());
    const [yes, row] = [await told.getByText('Yes, it was downloaded.').count(), await told.getByRole('row').filter({ hasText: 'carl' }).count()];
    await told.getByRole('button', { name: 'Close' }).click();
    assert.deepEqual([yes, row], [1, 1]);
  });

  // She makes a link for somebody without an account, and copies it.
  await olivia.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await olivia.page.getByRole('button', { name: 'Make a link: Budget 2027.xlsx' }).click();
  const making = olivia.dialog('Link to a file');
  await making.getByLabel('Password').fill('correct horse');
  await making.getByLabel('Downloads at most').fill('2');
  await making.getByRole('button', { name: 'Make the link' }).click();
  await making.getByRole('button', { name: 'Copy' }).click();
  await olivia.sees(making.getByText('Copied'));
  const url = await olivia.page.evaluate(() => navigator.clipboard.readText());
  assert.equal(url, await making.getByLabel('Address of the link').inputValue());
  assert.ok(url.startsWith(`${stage.url}/l/`), url);
  await making.getByRole('button', { name: 'Done' }).click();

  // Paula has a phone and no account; the link tells her nothing before the password is right.
  const paula = await stage.somebody(PHONE);
  await paula.visit(url);
  assert.equal(await paula.page.getByText('Budget 2027').count(), 0);
  await open(paula, 'wrong battery');
  await paula.sees(paula.page.getByRole('alert'));
  const field = paula.page.getByLabel('Password');
  assert.equal(await field.getAttribute('aria-invalid'), 'true');
  assert.match(await described(field), /not the password/i);
  await paula.sees(paula.page.locator(':focus'));
  assert.equal(await field.evaluate((input) => input === document.activeElement), true, 'the field has the focus');
  for (const time of ['first', 'second']) {
    const fetched = await paula.downloads(() => open(paula, 'correct horse'));
    assert.equal(fetched.name, 'Budget 2027.xlsx', time);
    assert.deepEqual(fetched.bytes, budget.buffer, time);
  }
  await paula.visit(url);
  await saysWhatToDo(paula);

  // Olivia's list says so too.
  await olivia.goTo('Links');
  const row = olivia.row('Budget 2027.xlsx');
  await olivia.sees(row.getByText('2 of 2'));
  assert.match(await row.innerText(), /used up|spent/i);
});

scenario('A link that was revoked, or has ended, says what to do', async (stage) => {
  const olivia = await stage.operations('olivia');
  const file = await olivia.upload(await real('docx-js.docx'));
  const [revoked, ended, open] = [await olivia.link([file]), await olivia.link([file], { expires_in: 1 }), await olivia.link([file])];
  await olivia.call('DELETE', `/links/${revoked.id}`);
  const paula = await stage.somebody(PHONE);
  await paula.visit(open.url);
  await paula.reads('docx-js.docx');
  await paula.visit(revoked.url);
  await saysWhatToDo(paula);
  await eventually(async () => {
    await paula.visit(ended.url);
    await paula.page.getByRole('heading', { level: 1, name: 'Link not available' }).waitFor({ timeout: 500 });
  });
  await saysWhatToDo(paula);
});

scenario('A link to several files hands over all of them, or each', async (stage) => {
  const olivia = await stage.operations('olivia');
  const documents = [await real('docx-js.docx'), await real('exceljs.xlsx')];
  const files = [];
  for (const document of documents) files.push(await olivia.upload(document));
  const { url } = await olivia.link(files);
  const paula = await stage.somebody(PHONE);
  await paula.visit(url);
  await paula.sees(paula.page.getByRole('heading', { level: 1, name: '2 files for you' }));
  await paula.page.getByRole('button', { name: 'Download the files' }).click();
  await paula.sees(paula.page.getByRole('heading', { level: 1, name: 'Your files are ready' }));
  const one = await paula.downloads(() => paula.page.getByRole('link', { name: 'exceljs.xlsx' }).click());
  assert.deepEqual(one.bytes, documents[1].buffer);
  const all = await paula.downloads(() => paula.page.getByRole('link', { name: /All in one archive/ }).click());
  assert.equal(all.name, 'files.zip');
  for (const { buffer } of documents) assert.ok(all.bytes.includes(buffer), 'the archive stores each as it is');
});

scenario('A link for one recipient opens with the code that is mailed to them', { mail: true }, async (stage) => {
  const olivia = await stage.operations('olivia');
  const document = await real('libreoffice.docx');
  const { url } = await olivia.link([await olivia.upload(document)], { recipient: 'paula@example.org' });
  const paula = await stage.somebody(PHONE);
  await paula.visit(url);
  await paula.page.getByRole('button', { name: 'Send the code' }).click();
  await paula.sees(paula.page.getByRole('status'));
  const code = await eventually(async () => {
    const mails = await stage.server.mails();
    assert.equal(mails.length, 1);
    assert.match(mails[0], /^To: .*paula@example\.org/m);
    return /\b\d{4}[ -]?\d{4}\b/.exec(mails[0].split('\r\n\r\n').slice(1).join('\n'))[0];
  });
  await paula.page.getByLabel('Code').fill('00000000');
  await paula.page.getByRole('button', { name: 'Download' }).click();
  await paula.sees(paula.page.getByRole('alert'));
  assert.equal(await paula.page.getByLabel('Code').getAttribute('aria-invalid'), 'true');
  await paula.page.getByLabel('Code').fill(code);
  const received = await paula.downloads(() => paula.page.getByRole('button', { name: 'Download', exact: true }).click());
  assert.deepEqual(received.bytes, document.buffer);
});

scenario('Where no mail is sent, the recipient of a link signs in to open it', async (stage) => {
  const olivia = await stage.operations('olivia');
  for (const name of ['carl', 'dora']) await olivia.addClient(name);
  const document = await real('exceljs.xlsx');
  const { url } = await olivia.link([await olivia.upload(document, { audience: 'nobody' })], { recipient: emailOf('carl') });
  for (const [name, opens] of [['dora', false], ['carl', true]]) {
    const person = await stage.somebody(PHONE);
    await person.visit(url);
    await person.page.getByRole('main').getByRole('button').click();
    await person.reads(/Sign in with the account of the address that the link is for/);
    await person.page.getByRole('link', { name: 'Sign in' }).click();
    await person.signIn(name);
    await person.sees(person.page.getByRole('heading', { level: 1, name: 'A link for you' }));
    await person.page.getByRole('button', { name: 'Open the link' }).click();
    if (opens) {
      const received = await person.downloads(() => person.page.getByRole('link', { name: 'exceljs.xlsx' }).click());
      assert.deepEqual(received.bytes, document.buffer);
    } else {
      await person.reads(/This link does not work for you/);
    }
  }
});

/** Drops a document onto the page, as from a file manager. */
async function drop(page, { name, mimeType, buffer }) {
  const data = await page.evaluateHandle(({ name, mimeType, bytes }) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, { type: mimeType }));
    return transfer;
  }, { name, mimeType, bytes: [...buffer] });
  for (const type of ['dragenter', 'dragover', 'drop']) await page.getByRole('main').dispatchEvent(type, { dataTransfer: data });
}

async function open(person, password) {
  await person.page.getByLabel('Password').fill(password);
  await person.page.getByRole('button', { name: 'Download' }).click();
}

/** What a screen reader says of a field besides its name. */
const described = (field) => field.evaluate((input) =>
  input.getAttribute('aria-describedby').split(' ').map((id) => document.getElementById(id)?.textContent).join(' '));

async function saysWhatToDo(person) {
  await person.sees(person.page.getByRole('heading', { level: 1, name: 'Link not available' }));
  await person.reads(/Ask whoever sent it/);
  assert.equal(await person.page.getByRole('button').count(), 0, 'there is nothing to try');
}
