// Who is signed in, for how long, and that nothing of theirs is left behind.

import assert from 'node:assert/strict';

import { Account, passwordOf } from '../support/api.mjs';
import { real } from '../support/documents.mjs';
import { scenario } from '../support/stage.mjs';

const SIGN_IN = { level: 1, name: 'Sign in' };

scenario('A wrong password is told at its field, and what was typed stays', async (stage) => {
  await stage.operations('olivia');
  const olivia = await stage.somebody();
  await olivia.visit();
  const [name, password] = [olivia.page.getByLabel('Username'), olivia.page.getByLabel('Password')];
  await name.fill('olivia');
  await olivia.page.getByRole('button', { name: 'Sign in' }).click();
  await olivia.reads('Please fill this in.');
  assert.equal(await password.getAttribute('aria-invalid'), 'true');
  await password.fill('not the password');
  await olivia.page.getByRole('button', { name: 'Sign in' }).click();
  await olivia.reads('The username or the password is wrong.');
  assert.equal(await name.inputValue(), 'olivia');
  assert.equal(await password.evaluate((input) => input === document.activeElement), true);
  await password.fill(passwordOf('olivia'));
  await password.press('Enter');
  await olivia.sees(olivia.page.getByRole('heading', { level: 1, name: 'Files' }));
});

scenario('Without being asked to, the browser remembers nobody', async (stage) => {
  await stage.operations('olivia');
  const olivia = await stage.signedIn('olivia');
  await olivia.page.reload();
  await olivia.sees(olivia.page.getByRole('heading', SIGN_IN));
  assert.deepEqual(await olivia.context.cookies(), []);
  const kept = await olivia.page.evaluate(() => [localStorage.length, sessionStorage.length]);
  assert.deepEqual(kept, [0, 0]);
});

scenario('When it is asked to, a page that is loaded anew is signed in', async (stage) => {
  await stage.operations('olivia');
  const olivia = await stage.somebody();
  await olivia.visit();
  await olivia.signIn('olivia', { remember: true });
  await olivia.goTo('Links');
  await olivia.page.reload();
  await olivia.sees(olivia.page.getByRole('heading', { level: 1, name: 'Links' }));
  const [session] = (await olivia.context.cookies()).filter(({ name }) => name === '__Host-consign-session');
  assert.equal(session.httpOnly && session.secure && session.sameSite, 'Strict');

  // In another window too, until she signs out.
  const window = await olivia.context.newPage();
  await window.goto(stage.url);
  await olivia.sees(window.getByRole('heading', { level: 1, name: 'Files' }));
  await signOut(olivia, 'Sign out');
  await olivia.sees(olivia.page.getByRole('heading', SIGN_IN));
  await window.reload();
  await olivia.sees(window.getByRole('heading', SIGN_IN));
  const left = (await olivia.context.cookies()).filter(({ name }) => name === '__Host-consign-session');
  assert.deepEqual(left, []);
});

scenario('After signing out the way back shows nothing', async (stage) => {
  const account = await stage.operations('olivia');
  await account.upload(await real('docx-js.docx', 'Secret merger.docx'));
  const olivia = await stage.signedIn('olivia');
  await olivia.reads('Secret merger.docx');
  await olivia.goTo('Links');
  await olivia.goTo('Trail');
  await olivia.goTo('Files');
  await signOut(olivia, 'Sign out');
  await olivia.sees(olivia.page.getByRole('heading', SIGN_IN));
  assert.equal(await olivia.page.getByLabel('Username').evaluate((input) => input === document.activeElement), true);
  for (let step = 0; step < 3; step++) {
    await olivia.page.goBack();
    await olivia.sees(olivia.page.getByRole('heading', SIGN_IN));
    assert.doesNotMatch(await olivia.page.locator('html').innerHTML(), /Secret merger|olivia/);
  }
});

scenario('Signing out everywhere ends the session of another browser', async (stage) => {
  const account = await stage.operations('olivia');
  await account.upload(await real('docx-js.docx'));
  const [here, there] = [await stage.signedIn('olivia'), await stage.signedIn('olivia')];
  await signOut(here, 'Sign out everywhere');
  await here.sees(here.page.getByRole('heading', SIGN_IN));

  await there.page.getByRole('button', { name: 'Downloads: docx-js.docx' }).click();
  const asked = there.dialog('Please sign in again');
  await there.sees(asked);
  await there.page.keyboard.press('Escape');
  await there.sees(asked);
  await asked.getByRole('button', { name: 'Sign out' }).click();
  await there.sees(there.page.getByRole('heading', SIGN_IN));
  assert.equal(await there.page.getByText('docx-js.docx').count(), 0);
});

scenario("Another user's session in the same browser does not take the place of an expired one", async (stage) => {
  const account = await stage.operations('olivia');
  await account.call('POST', '/register', { username: 'otto', email: 'otto@example.org', password: passwordOf('otto'), is_operation_user: true });
  await account.upload(await real('docx-js.docx'));
  const olivia = await stage.somebody();
  await olivia.visit();
  await olivia.signIn('olivia', { remember: true });
  const otto = await olivia.inAnotherWindow();
  await signOut(otto, 'Sign out everywhere');
  await otto.signIn('otto', { remember: true });

  // What she does next is not done by him: in his name nothing is asked but who he is.
  const asTo = [];
  olivia.page.on('request', (request) => asTo.push([request.headers().authorization, `${request.method()} ${new URL(request.url()).pathname}`]));
  let tell;
  const told = new Promise((resolve) => (tell = resolve));
  await olivia.page.route('**/session', async (route) => {
    if (route.request().method() === 'GET') await told;
    await route.continue();
  });
  const asked = (method) => olivia.page.waitForRequest((request) => request.method() === method && request.url().includes('/files/'));
  const who = olivia.page.waitForRequest((request) => request.method() === 'GET' && request.url().endsWith('/session'));
  const [hers] = await Promise.all([asked('DELETE'), olivia.page.getByRole('button', { name: 'Remove: docx-js.docx' }).click()]);
  await who;
  // Also not before that is answered.
  await Promise.all([asked('GET'), olivia.page.getByRole('button', { name: 'Downloads: docx-js.docx' }).click()]);
  tell();
  await olivia.sees(olivia.page.getByRole('banner').getByText('otto'));
  const navigated = asTo.findIndex(([, what]) => what === 'GET /');
  const { authorization } = hers.headers();
  assert.deepEqual(asTo.slice(0, navigated).filter(([used]) => used && used !== authorization).map(([, what]) => what), ['GET /session']);
  const { files } = await Account.signIn(stage.url, 'otto').then((his) => his.call('GET', '/files'));
  assert.equal(files.length, 1);
});

scenario('After signing out nothing is told of before, and the form speaks the language that was chosen meanwhile', async (stage) => {
  const account = await stage.operations('olivia');
  await account.upload(await real('docx-js.docx', 'Secret merger.docx'));
  const olivia = await stage.signedIn('olivia');
  const { page } = olivia;
  // What is no address leads where none does.
  await page.evaluate(() => (location.hash = '#/%'));
  await olivia.sees(olivia.row('Secret merger.docx'));
  await page.getByRole('button', { name: 'Remove: Secret merger.docx' }).click();
  await page.locator('#live').getByText('Secret merger.docx was removed.').waitFor({ state: 'attached' });
  await page.getByLabel('Language').selectOption('Deutsch');
  await signOut(olivia, 'Abmelden');
  await olivia.sees(page.getByRole('heading', { level: 1, name: 'Anmelden' }));
  await olivia.sees(page.getByLabel('Benutzername'));
  assert.equal(await page.locator('#live').textContent(), '');
});

scenario('A new password ends the sessions of before, but for the one that it was changed in', async (stage) => {
  await stage.operations('olivia');
  const [here, there] = [await stage.signedIn('olivia'), await stage.signedIn('olivia')];
  await here.page.getByRole('banner').getByText('olivia').click();
  await here.page.getByRole('button', { name: 'Change password' }).click();
  const changing = here.dialog('Change password');
  await changing.getByLabel('Present password').fill('not the password');
  await changing.getByLabel('New password').fill('another long password');
  await changing.getByRole('button', { name: 'Save' }).click();
  await here.sees(changing.getByText(/The password is wrong/));
  await changing.getByLabel('Present password').fill(passwordOf('olivia'));
  await changing.getByRole('button', { name: 'Save' }).click();
  await here.seesNot(changing);
  await here.goTo('Links');
  await here.reads('You have made no links yet.');

  await there.navigation().getByRole('link', { name: 'Links' }).click();
  const asked = there.dialog('Please sign in again');
  await asked.getByLabel('Password').fill('another long password');
  await asked.getByRole('button', { name: 'Go on' }).click();
  await there.reads('You have made no links yet.');
});

scenario('An address of a view is gone on to after signing in', async (stage) => {
  await stage.operations('olivia');
  const olivia = await stage.somebody();
  await olivia.visit('/#/trail');
  await olivia.signIn('olivia');
  await olivia.sees(olivia.page.getByRole('heading', { level: 1, name: 'Trail' }));
});

scenario('Where registration is closed, or taken, the page says what to do', { flags: ['--client-registration', 'closed'] }, async (stage) => {
  await stage.operations('olivia');
  const carl = await stage.somebody();
  await carl.visit();
  await carl.register('carl');
  await carl.reads(/cannot register here yourself\. Ask whoever/);
  assert.equal(await carl.page.getByLabel('Username').inputValue(), 'carl');

  const olivia = await stage.signedIn('olivia');
  await olivia.goTo('Groups');
  await olivia.page.getByRole('button', { name: 'New user' }).click();
  const adding = olivia.dialog('New user');
  await adding.getByLabel('Username').fill('carl');
  await adding.getByLabel('E-mail address').fill('not an address');
  await adding.getByLabel('Password').fill('short');
  await adding.getByRole('button', { name: 'Register the user' }).click();
  await olivia.reads(/not in the form that is needed/);
  await adding.getByLabel('E-mail address').fill('carl@example.org');
  await adding.getByRole('button', { name: 'Register the user' }).click();
  await olivia.reads(/too short: it needs 8 characters/);
  await adding.getByLabel('Password').fill(passwordOf('carl'));
  await adding.getByRole('button', { name: 'Register the user' }).click();
  await olivia.seesNot(adding);
  await stage.signedIn('carl');
});

async function signOut(person, how) {
  await person.page.getByRole('banner').getByText('olivia').click();
  await person.page.getByRole('button', { name: how, exact: true }).click();
}
