// German: everywhere, in the page's own words and the server's, and changed in place.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { docx } from '../support/documents.mjs';
import { scenario } from '../support/stage.mjs';
import { everything, furnish } from '../support/tour.mjs';

const MESSAGES = JSON.parse(await readFile(new URL('../../web/messages.json', import.meta.url)));

/** All texts of a part of the messages, in one language. */
function texts(part, language) {
  if (typeof part === 'string') return [];
  if ('en' in part && 'de' in part) return [part[language]].flatMap((text) => (typeof text === 'string' ? [text] : Object.values(text)));
  return Object.values(part).flatMap((inner) => texts(inner, language));
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const patterns = (language) => texts(MESSAGES, language).map((text) => new RegExp(`^${text.split(/\{\w+\}/).map(escaped).join('.*')}$`, 's'));
/** Those that have words of their own: not `{what}: {name}`. */
const GERMAN = patterns('de').filter(({ source }) => /\p{L}/u.test(source));
/** What stands around a time, which has an element of its own. */
const AROUND = new Set(texts(MESSAGES, 'de').filter((text) => text.includes('{time}')).flatMap((text) => text.split('{time}').map((part) => part.trim())));

/** The documents' names in what is looked at, one or several. */
const NAME = `(${['Annual report 2026.docx', `${'Minutes_of_the_meeting_'.repeat(5)}.docx`, 'Budget.xlsx', 'Draft.docx', 'Offer.docx', 'Scan.docx', 'Scan.pdf'].map(escaped).join('|')})`;

/** What is the same in all languages: names, numbers, addresses, and what people or the server wrote. */
const DATA = [/^[^\p{L}]*$/u, /^(Consign|English|Deutsch)$/, /^(olivia|carl|paula)(@example\.org)?$/, new RegExp(`^${NAME}(, ${NAME})*,?$`), /^https?:/, /^(\.\w{4}[,.] ?)+$/,
  /^[\d.,]+ (Byte|[kMG]?B)$/, /^(Auditors|For the auditors)$/, /^\d{1,2}\. \p{L}+\.? \d{4}/u, /^\d\d\.\d\d\.\d{4}/];

scenario('No word of English is left in German, wherever one looks', { mail: true }, async (stage) => {
  const found = new Set();
  await everything(stage, {}, async (page, place) => {
    // In place, also behind a dialog; pages of links are below.
    const select = page.getByLabel('Language');
    if (!(await select.count())) return;
    assert.notDeepEqual(await foreign(page), [], 'English is noticed');
    await speak(page, select, 'de');
    for (const text of await foreign(page)) found.add(`${place}: ${text}`);
    await speak(page, page.getByLabel('Sprache'), 'en');
  });
  assert.deepEqual([...found], []);
});

scenario('Nor on the pages of links', { mail: true }, async (stage) => {
  const { links } = await furnish(stage);
  const paula = await stage.somebody({ locale: 'de-DE' });
  const { page } = paula;
  const found = new Set();
  const look = async (place) => {
    assert.equal(await page.locator('html').getAttribute('lang'), 'de');
    for (const text of await foreign(page)) found.add(`${place}: ${text}`);
  };
  await paula.visit(links.several.url);
  await look('several files');
  await page.getByRole('button', { name: 'Dateien herunterladen' }).click();
  await paula.sees(page.getByRole('heading', { name: 'Ihre Dateien sind bereit' }));
  await look('open');
  await paula.visit(links.guarded.url);
  await look('with a password');
  await page.getByLabel('Passwort').fill('falsch geraten');
  await page.getByRole('button', { name: 'Herunterladen' }).click();
  await paula.sees(page.getByRole('alert'));
  await look('a wrong password');
  await paula.visit(links.personal.url);
  await look('for a recipient');
  await page.getByRole('button', { name: 'Code senden' }).click();
  await paula.sees(page.getByRole('status'));
  await look('a code was sent');
  await page.getByLabel('Code').fill('00000000');
  await page.getByRole('button', { name: 'Herunterladen' }).click();
  await paula.sees(page.getByRole('alert'));
  await look('a wrong code');
  await paula.visit(links.revoked.url);
  await look('revoked');
  assert.deepEqual([...found], []);
});

scenario('Who likes German best is answered in German, and the choice of another language is kept', async (stage) => {
  const account = await stage.operations('olivia');
  const { url } = await account.link([await account.upload(docx('Bericht.docx'))]);
  const olivia = await stage.somebody({ locale: 'de-AT' });
  const { page } = olivia;
  const language = () => page.locator('html').getAttribute('lang');
  await olivia.visit();
  await olivia.sees(page.getByRole('heading', { level: 1, name: 'Anmelden' }));
  assert.equal(await language(), 'de');
  await page.getByLabel('Benutzername').fill('olivia');
  await page.getByLabel('Passwort').fill('falsch geraten');
  await page.getByRole('button', { name: 'Anmelden' }).click();
  await olivia.reads('Benutzername oder Passwort stimmt nicht.');

  // In English, what was typed and what was told stay.
  await page.getByLabel('Sprache').selectOption('English');
  await olivia.sees(page.getByRole('heading', { level: 1, name: 'Sign in' }));
  await olivia.reads('The username or the password is wrong.');
  assert.equal(await page.getByLabel('Username').inputValue(), 'olivia');
  assert.equal(await page.getByLabel('Password').inputValue(), 'falsch geraten');
  assert.equal(await language(), 'en');
  assert.equal(await page.title(), 'Sign in · Consign');
  await page.reload();
  await olivia.sees(page.getByRole('heading', { level: 1, name: 'Sign in' }));
  await olivia.visit(url);
  await olivia.sees(page.getByRole('heading', { level: 1, name: 'A file for you' }));

  const paula = await stage.somebody({ locale: 'de-DE' });
  await paula.visit(url);
  await paula.sees(paula.page.getByRole('heading', { level: 1, name: 'Eine Datei für Sie' }));
  assert.equal(await paula.page.locator('html').getAttribute('lang'), 'de');
  await paula.page.getByRole('link', { name: 'English' }).click();
  await paula.sees(paula.page.getByRole('heading', { level: 1, name: 'A file for you' }));
});

async function speak(page, select, tag) {
  await select.evaluate((element, tag) => {
    element.value = tag;
    element.dispatchEvent(new Event('change'));
  }, tag);
  await page.locator(`html[lang=${tag}]`).waitFor({ state: 'attached' });
}

/** What is told and is neither German nor data. */
async function foreign(page) {
  const texts = await page.evaluate(visible);
  const isKnown = (text) => AROUND.has(text) || [...DATA, ...GERMAN].some((pattern) => pattern.test(text));
  // What a button does, and with what.
  const isOf = (text) => text.includes(': ') && text.split(': ', 2).every(isKnown);
  return texts.filter((text) => !isKnown(text) && !isOf(text));
}

/** All that is seen or read out; this runs in the page. */
function visible() {
  const found = new Set();
  const isTold = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('dl, .detail, script, style, title');
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node instanceof Text) {
      if (isTold(node.parentElement) && node.data.trim()) found.add(node.data.trim());
    } else if (isTold(node)) {
      for (const attribute of ['aria-label', 'title', 'placeholder', 'alt', 'data-column']) {
        const text = node.getAttribute(attribute)?.trim();
        if (text) found.add(text);
      }
    }
  }
  return [...found];
}
