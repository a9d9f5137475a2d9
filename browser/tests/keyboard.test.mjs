// The whole way without a mouse.

import assert from 'node:assert/strict';

import { emailOf, passwordOf } from '../support/api.mjs';
import { docx } from '../support/documents.mjs';
import { Keyboard } from '../support/keyboard.mjs';
import { eventually, scenario } from '../support/stage.mjs';

scenario('Somebody registers, uploads, makes a link and signs out with keys alone', async (stage) => {
  const olivia = await stage.somebody();
  const { page } = olivia;
  const keys = new Keyboard(olivia);
  await olivia.visit();
  await keys.press('Tab');
  await keys.has(/^link "Skip to the content"/);
  await keys.press('Enter');
  await keys.to(/^link "Register an account"/);
  await keys.press('Enter');
  await olivia.sees(page.getByRole('heading', { name: 'Register' }));
  await keys.to(/^textbox "Username"/);
  await keys.type('olivia');
  await keys.press('Tab');
  await keys.type(emailOf('olivia'));
  await keys.press('Tab');
  await keys.type(passwordOf('olivia'));
  await keys.press('Tab');
  await keys.has(/^checkbox "I set this server up/);
  await keys.press('Space', 'Enter');
  await keys.has(/^heading "Files"/);

  // The skip link leads past what is the same everywhere.
  await keys.to(/^link "Skip to the content"/, 'Shift+Tab');
  await keys.press('Enter');
  await keys.has(/^heading "Files"/);

  // The button to choose files with.
  const chooser = page.waitForEvent('filechooser');
  await keys.to(/^button "Choose files"/);
  await page.keyboard.press('Enter');
  await (await chooser).setFiles([docx('Plan.docx'), { name: 'Scan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF') }]);
  await olivia.sees(olivia.uploading('Plan.docx').getByText(/^Uploaded, /));
  await keys.assertFocus('an upload');
  await olivia.sees(olivia.row('Plan.docx'));

  // A link.
  await keys.to(/^button "Make a link: Plan.docx"/);
  await keys.press('Enter');
  await olivia.sees(olivia.dialog('Link to a file'));
  await keys.to(/^textbox "Password"/);
  await keys.type('correct horse');
  await keys.press('Enter');
  await olivia.sees(page.getByText('The link is ready.'));
  await keys.has(/^button "Copy"/);
  await keys.press('Enter');
  await olivia.sees(page.getByText('Copied'));
  await keys.to(/^button "Done"/);
  await keys.press('Enter');
  await olivia.seesNot(page.getByRole('dialog'));
  await keys.has(/^button "Make a link: Plan.docx"/);

  // Removed and had back.
  await keys.to(/^button "Remove: Plan.docx"/);
  await keys.press('Enter');
  await keys.has(/^button "Undo"/);
  await keys.press('Enter');
  await olivia.sees(page.getByRole('button', { name: 'Remove: Plan.docx' }));
  await keys.assertFocus('undoing');

  // Another view, whose heading is read out; and out.
  await keys.to(/^link "Links"/, 'Shift+Tab');
  await keys.press('Enter');
  await keys.has(/^heading "Links"/);
  await keys.to(/^(group|button).*olivia|^text: olivia|^olivia/, 'Shift+Tab');
  await keys.press('Enter');
  await keys.press('Escape');
  await keys.press('Enter');
  await keys.to(/^button "Sign out"$/);
  await keys.press('Enter');
  await keys.has(/^textbox "Username"/);
});

scenario('A dialog keeps the focus, gives it back, and closes with Escape', async (stage) => {
  const account = await stage.operations('olivia');
  const file = await account.upload(docx('Plan.docx'));
  await account.link([file]);
  await account.group('Auditors');
  const olivia = await stage.signedIn('olivia');
  const keys = new Keyboard(olivia);
  await olivia.reads('Plan.docx');
  const dialogs = [
    ['Files', [/^button "Make a link: Plan.docx"/, /^button "For whom: Plan.docx"/, /^button "Downloads: Plan.docx"/]],
    ['Links', [/^button "Change: Plan.docx"/, /^button "Downloads: Plan.docx"/, /^button "Revoke: Plan.docx"/]],
    ['Groups', [/^button "New group"/, /^button "New user"/]],
  ];
  for (const [view, openers] of dialogs) {
    await olivia.goTo(view);
    for (const opener of openers) {
      await keys.to(opener);
      await keys.press('Enter');
      await olivia.sees(olivia.page.getByRole('dialog'));
      // Once around, and once the other way: nothing behind it is reached.
      for (const key of ['Tab', 'Shift+Tab']) {
        for (let step = 0; step < 16; step++) {
          await olivia.page.keyboard.press(key);
          const inside = await olivia.page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null);
          assert.ok(inside, `${opener}: ${key} leaves the dialog for ${await keys.told()}`);
        }
      }
      await olivia.page.keyboard.press('Escape');
      await olivia.seesNot(olivia.page.getByRole('dialog'));
      await keys.has(opener);
    }
  }
});

scenario('The focus is not lost when what had it goes away', async (stage) => {
  const account = await stage.operations('olivia');
  await account.upload(docx('Plan.docx'));
  await stage.client('carl');
  await account.group('Auditors', ['carl']);
  const olivia = await stage.signedIn('olivia');
  const { page } = olivia;
  const keys = new Keyboard(olivia);

  // The button that cancels an upload, once that is over.
  const devtools = await olivia.context.newCDPSession(page);
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 500_000 });
  await olivia.choose(docx('Film.docx', { bytes: 2_000_000 }));
  await page.getByRole('button', { name: 'Cancel the upload of Film.docx' }).focus();
  await olivia.sees(olivia.uploading('Film.docx').getByText(/^Uploaded, /));
  await keys.assertFocus('the end of an upload');
  await keys.to(/^button "Clear what is over"/);
  await keys.press('Enter');

  // A file whose audience was changed.
  await keys.to(/^button "For whom: Plan.docx"/);
  await keys.press('Enter');
  await keys.to(/^button "Save"/);
  await keys.press('Enter');
  await olivia.seesNot(page.getByRole('dialog'));
  await eventually(() => keys.assertFocus('saving for whom a file is'));

  // Files that are chosen no more.
  await keys.to(/^checkbox "Choose Plan.docx"/);
  await keys.press('Space');
  await keys.to(/^button "Choose none"/);
  await keys.press('Enter');

  // Pages of removed files, and of members.
  await keys.to(/^button "Remove: Plan.docx"/);
  await keys.press('Enter');
  await olivia.goTo('Removed files', 'Removed');
  await olivia.reads('Plan.docx');
  await keys.to(/^button "Have it back: Plan.docx"/);
  await keys.press('Enter');
  await olivia.reads('Plan.docx is there again.');
  await keys.assertFocus('having a file back');
  await olivia.goTo('Groups');
  await keys.to(/^link "Auditors"/);
  await keys.press('Enter');
  await keys.has(/^heading "Auditors"/);
  await keys.to(/^button "Take out: carl"/);
  await keys.press('Enter');
  await keys.has(/^button "Undo"/);
  await keys.press('Enter');
  await olivia.sees(page.getByRole('button', { name: 'Take out: carl' }));
  await keys.assertFocus('undoing');
});
