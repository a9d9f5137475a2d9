// A walk past everything that the page can show. `look(page, name)` is called at each place.

import { passwordOf } from './api.mjs';
import { docx, real } from './documents.mjs';

/** What there is before somebody looks: documents, a group, links in all states, and what was removed. */
export async function furnish(stage) {
  const olivia = await stage.operations('olivia');
  await olivia.addClient('carl');
  const group = await olivia.group('Auditors', ['carl'], 365);
  const report = await olivia.upload(await real('python-docx.docx', 'Annual report 2026.docx'));
  const budget = await olivia.upload(await real('openpyxl.xlsx', 'Budget.xlsx'), { audience: `group:${group.id}`, expires_in: 30 * 86_400 });
  // A name that breaks nowhere.
  await olivia.upload(docx(`${'Minutes_of_the_meeting_'.repeat(5)}.docx`), { audience: 'user:carl' });
  const removed = await olivia.upload(docx('Draft.docx'));
  const several = await olivia.link([report, budget], { note: 'For the auditors' });
  const guarded = await olivia.link([report], { password: 'correct horse', max_downloads: 3 });
  const personal = await olivia.link([budget], { recipient: 'paula@example.org' });
  const carls = await olivia.link([report, budget], { recipient: 'carl@example.org' });
  const revoked = await olivia.link([removed]);
  await olivia.call('DELETE', `/links/${revoked.id}`);
  await olivia.call('DELETE', `/files/${removed.id}`);
  return { olivia, group, links: { several, guarded, personal, carls, revoked } };
}

export async function visitor({ links }, person, look) {
  const { page } = person;
  await person.visit();
  await person.sees(page.getByRole('heading', { name: 'Sign in' }));
  await look(page, 'sign in');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await person.reads('Please fill this in.');
  await look(page, 'sign in, with something missing');
  await page.getByRole('link', { name: 'Register an account' }).click();
  await person.sees(page.getByRole('heading', { name: 'Register' }));
  await look(page, 'register');

  await person.visit(links.several.url);
  await look(page, 'a link to several files');
  await page.getByRole('button', { name: 'Download the files' }).click();
  await person.sees(page.getByRole('heading', { name: 'Your files are ready' }));
  await look(page, 'a link that is open');
  await person.visit(links.guarded.url);
  await look(page, 'a link with a password');
  await page.getByLabel('Password').fill('wrong battery');
  await page.getByRole('button', { name: 'Download' }).click();
  await person.sees(page.getByRole('alert'));
  await look(page, 'a wrong password');
  await person.visit(links.personal.url);
  await look(page, 'a link for a recipient');
  await page.getByRole('button', { name: 'Send the code' }).click();
  await person.sees(page.getByRole('status'));
  await look(page, 'a code that was sent');
  await person.visit(links.revoked.url);
  await look(page, 'a link that was revoked');
}

export async function client({ links }, person, look) {
  const { page } = person;
  await person.sees(page.getByRole('heading', { name: 'Files for you' }));
  await person.reads('Annual report 2026.docx');
  await look(page, 'files of a client');
  await page.getByRole('button', { name: 'Make a link: Budget.xlsx' }).click();
  await person.sees(person.dialog('Link to a file'));
  await look(page, 'a link of a client');
  await page.keyboard.press('Escape');
  await page.evaluate((secret) => (location.hash = `#/open/${secret}`), links.carls.url.split('/').at(-1));
  await person.sees(page.getByRole('heading', { name: 'A link for you' }));
  await look(page, 'a link for one who has signed in');
  await page.getByRole('button', { name: 'Open the link' }).click();
  await person.reads('The files are ready.');
  await look(page, 'a link that has opened for one who has signed in');
}

export async function operations(person, look) {
  const { page } = person;
  const closed = async () => {
    await page.keyboard.press('Escape');
    await person.seesNot(page.getByRole('dialog'));
  };
  await person.reads('Annual report 2026.docx');
  await look(page, 'files');
  await page.getByText('For whom, and until when').click();
  await page.getByLabel('Some clients or groups only').check();
  await page.getByLabel('Username of a client').fill('carl');
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByLabel('The files are there for').selectOption('On a day of your choice');
  await look(page, 'for whom uploads are');
  await page.getByLabel('The files are there for').selectOption('7 days');
  const scan = { name: 'Scan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n') };
  await person.choose(docx('Offer.docx'), scan, { ...scan, name: 'Scan.docx' });
  await person.sees(person.uploading('Offer.docx').getByText(/^Uploaded, /));
  await person.sees(person.uploading('Scan.docx').getByRole('button', { name: 'Try again: Scan.docx' }));
  await person.sees(person.row('Offer.docx'));
  await look(page, 'uploads that are over');
  await page.getByRole('button', { name: 'Clear what is over' }).click();
  await page.getByText('For whom, and until when').click();
  await page.getByLabel('Choose Budget.xlsx').check();
  await look(page, 'a file that is chosen');
  await page.getByLabel('Choose Budget.xlsx').uncheck();
  await page.getByRole('searchbox').fill('no such name');
  await person.reads('No file has “no such name” in its name.');
  await look(page, 'nothing is found');
  await page.getByRole('searchbox').fill('');
  await page.getByRole('button', { name: 'Remove: Offer.docx' }).click();
  await person.sees(page.getByRole('button', { name: 'Undo' }));
  await look(page, 'a file that was removed');

  await page.getByRole('button', { name: 'For whom: Budget.xlsx' }).click();
  await person.sees(person.dialog('For whom is Budget.xlsx, and until when?'));
  await look(page, 'for whom a file is');
  await closed();
  await page.getByRole('button', { name: 'Downloads: Budget.xlsx' }).click();
  await person.sees(page.getByRole('dialog').getByText('downloaded'));
  await look(page, 'downloads of a file');
  await closed();
  await page.getByRole('button', { name: 'Make a link: Budget.xlsx' }).click();
  const making = person.dialog('Link to a file');
  await making.getByLabel('Password').fill('short');
  await making.getByRole('button', { name: 'Make the link' }).click();
  await person.sees(making.getByText(/too short/));
  await look(page, 'a link that is not made');
  await making.getByLabel('Password').fill('correct horse');
  await making.getByRole('button', { name: 'Make the link' }).click();
  await person.sees(making.getByText('The link is ready.'));
  await look(page, 'a link that is made');
  await closed();

  await person.goTo('Removed files', 'Removed');
  await person.reads('Draft.docx');
  await look(page, 'removed files');
  await page.getByRole('button', { name: 'Remove for good: Draft.docx' }).click();
  await person.sees(page.getByRole('dialog'));
  await look(page, 'removing for good');
  await closed();

  await person.goTo('Links');
  await person.reads('For the auditors');
  await look(page, 'links');
  const row = person.row('For the auditors');
  await row.getByRole('button', { name: /^Change: / }).click();
  await person.sees(person.dialog('Change the link'));
  await look(page, 'a link is changed');
  await closed();
  await row.getByRole('button', { name: /^Downloads: / }).click();
  await person.sees(page.getByRole('dialog').getByText('download').first());
  await look(page, 'downloads of a link');
  await closed();
  await row.getByRole('button', { name: /^Revoke: / }).click();
  await person.sees(person.dialog('Revoke the link?'));
  await look(page, 'a link is revoked');
  await closed();

  await person.goTo('Groups');
  await person.reads('Auditors');
  await look(page, 'groups');
  await page.getByRole('button', { name: 'New group' }).click();
  await person.sees(person.dialog('New group'));
  await look(page, 'a new group');
  await closed();
  await page.getByRole('button', { name: 'New user' }).click();
  await person.sees(person.dialog('New user'));
  await look(page, 'a new user');
  await closed();
  await page.getByRole('link', { name: 'Auditors' }).click();
  await person.reads('carl@example.org');
  await look(page, 'a group');

  await person.goTo('Trail');
  const entry = page.getByRole('row').filter({ hasText: 'Draft.docx was uploaded.' });
  await entry.getByText('Details').click();
  await look(page, 'the trail');

  await page.getByRole('banner').getByText('olivia').click();
  await look(page, 'the menu');
  await page.getByRole('button', { name: 'Change password' }).click();
  await person.sees(person.dialog('Change password'));
  await look(page, 'a new password');
  await closed();
  await person.goTo('Files');
}

/** Ends all sessions of the one who looks, and has the page find out. */
export async function expiry(person, account, look) {
  await person.sees(person.row('Budget.xlsx'));
  await account.call('DELETE', '/session?everywhere=true');
  await person.page.getByRole('button', { name: 'Downloads: Budget.xlsx' }).click();
  await person.sees(person.dialog('Please sign in again'));
  await look(person.page, 'a sign-in that has expired');
  await person.dialog('Please sign in again').getByLabel('Password').fill(passwordOf('olivia'));
  await person.dialog('Please sign in again').getByRole('button', { name: 'Go on' }).click();
  await person.sees(person.page.getByRole('dialog').getByText('downloaded'));
}

/** All of it; `dress` says how the browsers of those who look are. */
export async function everything(stage, dress, look) {
  const furnished = await furnish(stage);
  await visitor(furnished, await stage.somebody(dress), look);
  await client(furnished, await stage.signedIn('carl', dress), look);
  const olivia = await stage.signedIn('olivia', dress);
  await operations(olivia, look);
  await expiry(olivia, furnished.olivia, look);
}
