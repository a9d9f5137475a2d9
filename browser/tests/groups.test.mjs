// Groups of clients.

import assert from 'node:assert/strict';

import { docx } from '../support/documents.mjs';
import { eventually, scenario } from '../support/stage.mjs';

scenario('A group is made, its members come and go, and files for it follow them', async (stage) => {
  const account = await stage.operations('olivia');
  await stage.client('carl');
  const olivia = await stage.signedIn('olivia');
  await olivia.goTo('Groups');
  await olivia.reads('There are no groups yet.');
  await olivia.page.getByRole('button', { name: 'New group' }).click();
  const making = olivia.dialog('New group');
  await making.getByLabel('Name').fill('Auditors');
  await making.getByLabel('Days that files are kept').fill('0');
  await making.getByRole('button', { name: 'Make the group' }).click();
  await olivia.sees(making.getByText('It has to be 1 or more.'));
  await making.getByLabel('Days that files are kept').fill('30');
  await making.getByRole('button', { name: 'Make the group' }).click();
  await olivia.sees(olivia.page.getByRole('heading', { level: 1, name: 'Auditors' }));
  await olivia.reads('Files for this group are there for 30 days after their upload.');

  await olivia.reads('Nobody is in this group yet.');
  const name = olivia.page.getByLabel('Username of a client');
  await name.fill('olivia');
  await olivia.page.getByRole('button', { name: 'Add' }).click();
  await olivia.reads('There is no client of this name.');
  await name.fill('carl');
  await olivia.page.getByRole('button', { name: 'Add' }).click();
  await olivia.sees(olivia.row('carl').getByText('carl@example.org'));

  const { groups: [group] } = await account.call('GET', '/groups');
  await account.upload(docx('Ledger.docx'), { audience: `group:${group.id}` });
  const carl = await stage.signedIn('carl');
  await carl.reads('Ledger.docx');
  await olivia.page.getByRole('button', { name: 'Take out: carl' }).click();
  await olivia.reads('carl is not in the group any more.');
  await carl.page.reload();
  await carl.signIn('carl');
  await carl.reads('There are no files for you yet.');
  await olivia.page.getByRole('button', { name: 'Undo' }).click();
  await olivia.sees(olivia.row('carl'));

  await olivia.page.getByRole('button', { name: 'Name and retention' }).click();
  const changing = olivia.dialog('Name and retention');
  await changing.getByLabel('Name').fill('External auditors');
  await changing.getByLabel('Days that files are kept').fill('');
  await changing.getByRole('button', { name: 'Save' }).click();
  await olivia.sees(olivia.page.getByRole('heading', { level: 1, name: 'External auditors' }));
  await olivia.reads('Files for this group stay until they are removed or end.');

  await olivia.goTo('Files');
  await olivia.sees(olivia.row('Ledger.docx').getByText('External auditors'));
  await olivia.goTo('Groups');
  await olivia.page.getByRole('link', { name: 'External auditors' }).click();
  await olivia.page.getByRole('button', { name: 'Remove the group' }).click();
  await olivia.dialog('Remove the group?').getByRole('button', { name: 'Remove the group' }).click();
  await olivia.sees(olivia.page.getByRole('heading', { level: 1, name: 'Groups' }));
  await olivia.reads('There are no groups yet.');
  await eventually(async () => assert.deepEqual((await account.call('GET', '/groups')).groups, []));
});

scenario('A name that is taken is told at its field', async (stage) => {
  const account = await stage.operations('olivia');
  await account.group('Auditors');
  const olivia = await stage.signedIn('olivia');
  await olivia.goTo('Groups');
  await olivia.page.getByRole('button', { name: 'New group' }).click();
  const making = olivia.dialog('New group');
  await making.getByLabel('Name').fill('Auditors');
  await making.getByRole('button', { name: 'Make the group' }).click();
  await olivia.sees(making.getByText('There is a group of this name already. Choose another.'));
  assert.equal(await making.getByLabel('Name').getAttribute('aria-invalid'), 'true');
});

scenario('Clients see nothing of groups, of the trail or of what was removed', async (stage) => {
  await stage.operations('olivia');
  await stage.client('carl');
  const carl = await stage.signedIn('carl');
  assert.deepEqual(await carl.navigation().getByRole('link').allInnerTexts(), ['Files', 'Links']);
  for (const view of ['groups', 'trail', 'removed']) {
    await carl.page.evaluate((to) => (location.hash = `#/${to}`), view);
    await carl.sees(carl.page.getByRole('heading', { level: 1, name: 'Files for you' }));
  }
});
