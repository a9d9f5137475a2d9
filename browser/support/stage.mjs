// A scenario: a server, people at browsers of their own, and an eye on what a page must never do.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chromium } from 'playwright-core';

import { emailOf, passwordOf, register } from './api.mjs';
import { Server } from './server.mjs';

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
export const SMALL_PHONE = { ...PHONE, viewport: { width: 360, height: 740 } };

/** Milliseconds that something may take to be seen: longer than it ever takes, unless it never is. */
const PATIENCE = 15_000;

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

let launched;
const browser = () => (launched ??= chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS }));
/** Ends the browser. */
export const dismiss = async () => (await launched)?.close();
if (process.env.NODE_TEST_CONTEXT) after(dismiss);

/** A test with a stage of its own, whose server is started with `flags`, and sends `mail` or not. */
export function scenario(name, options, play) {
  if (!play) return scenario(name, {}, options);
  test(name, { timeout: 120_000 }, async () => {
    const stage = await Stage.set(options);
    try {
      await play(stage);
      stage.assertNothingAmiss();
    } catch (error) {
      await stage.keep(name);
      throw error;
    } finally {
      await stage.close();
    }
  });
}

export class Stage {
  static async set({ flags, mail } = {}) {
    const stage = new Stage();
    stage.server = await Server.start(flags, mail);
    return stage;
  }

  get url() {
    return this.server.url;
  }

  people = [];

  /** An operations user, by the API. */
  operations = (name) => register(this.url, name, { operations: true });
  /** A client, by the API. */
  client = (name) => register(this.url, name);

  /** Somebody at a browser that knows nothing yet. */
  async somebody(options = {}) {
    const context = await (await browser()).newContext({
      ...DESKTOP, baseURL: this.url, locale: 'en-GB', timezoneId: 'UTC', colorScheme: 'light', reducedMotion: 'reduce', ...options,
    });
    context.setDefaultTimeout(PATIENCE);
    const person = new Person(this, context);
    this.people.push(person);
    await context.addInitScript(() => addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`the policy was violated: ${violatedDirective} by ${blockedURI}`)));
    context.on('page', (page) => person.watch(page));
    person.page = await context.newPage();
    return person;
  }

  /** Somebody who has signed in in the page. */
  async signedIn(name, options = {}) {
    const person = await this.somebody(options);
    await person.visit();
    await person.signIn(name);
    return person;
  }

  assertNothingAmiss() {
    assert.deepEqual(this.people.flatMap(({ amiss }) => amiss), [], 'what no page may do');
  }

  /** Keeps what the pages look like, and what the server said. */
  async keep(name) {
    const base = join(tmpdir(), 'consign-browser-failures');
    await mkdir(base, { recursive: true });
    const folder = await mkdtemp(join(base, `${name.replace(/\W+/g, '-').slice(0, 60)}-`));
    let n = 0;
    for (const page of this.people.flatMap(({ context }) => context.pages())) {
      const path = join(folder, `page-${++n}`);
      await page.screenshot({ path: `${path}.png`, fullPage: true, timeout: 5000 }).catch(() => {});
      const shown = await page.locator('body').ariaSnapshot({ timeout: 5000 }).catch(String);
      await writeFile(`${path}.txt`, `${page.url()}\n${shown}\n`);
    }
    await writeFile(join(folder, 'server.log'), this.server.log);
    console.error(`“${name}” failed. What the pages showed is in ${folder}. The server said:\n${this.server.log}`);
    for (const { amiss } of this.people) for (const what of amiss) console.error(what);
  }

  async close() {
    for (const { context } of this.people) await context.close();
    await this.server.stop();
  }
}

export class Person {
  /** What a page did that none may do. */
  amiss = [];

  constructor(stage, context) {
    this.stage = stage;
    this.context = context;
  }

  /** The same browser, in a window of its own. */
  async inAnotherWindow() {
    const other = Object.create(this);
    other.page = await this.context.newPage();
    await other.visit();
    return other;
  }

  watch(page) {
    const host = new URL(this.stage.url).host;
    const note = (what) => this.amiss.push(`${page.url()}: ${what}`);
    page.on('pageerror', (error) => note(error.stack));
    page.on('console', (message) => {
      // Answers that refuse are looked at below.
      if (message.text().startsWith('Failed to load resource')) return;
      if (['error', 'warning'].includes(message.type())) note(`the console says: ${message.text()}`);
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) && url.host !== host) note(`a request to ${url}`);
    });
    page.on('response', (response) => {
      const [status, { pathname }] = [response.status(), new URL(response.url())];
      if (status >= 500 || (status >= 400 && (pathname === '/' || pathname.startsWith('/assets')))) note(`${status} for ${response.url()}`);
    });
  }

  async visit(path = '/') {
    await this.page.goto(path);
  }

  /** Signs in with the form that is shown, and sees who they are. */
  async signIn(name, { remember = false, password = passwordOf(name) } = {}) {
    const { page } = this;
    await page.getByLabel('Username').fill(name);
    await page.getByLabel('Password').fill(password);
    if (remember) await page.getByLabel('Stay signed in').check();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await this.sees(this.navigation());
  }

  /** Registers with the form that the page leads to. */
  async register(name, { operations = false } = {}) {
    const { page } = this;
    await page.getByRole('link', { name: 'Register an account' }).click();
    await page.getByLabel('Username').fill(name);
    await page.getByLabel('E-mail address').fill(emailOf(name));
    await page.getByLabel('Password').fill(passwordOf(name));
    if (operations) await page.getByLabel('I set this server up').check();
    await page.getByRole('button', { name: 'Register' }).click();
  }

  /** What leads to the views, for who has signed in. */
  navigation() {
    return this.page.getByRole('banner').getByRole('navigation');
  }

  /** Goes to a view by the navigation, which may call it something shorter. */
  async goTo(view, link = view) {
    await this.navigation().getByRole('link', { name: link, exact: true }).click();
    await this.sees(this.page.getByRole('heading', { level: 1, name: view }));
  }

  /** A row of the table that is shown, by what is in it. */
  row(name) {
    return this.page.getByRole('row').filter({ has: this.page.getByRole('rowheader').filter({ hasText: name }) });
  }

  /** The row of an upload. */
  uploading(name) {
    return this.page.getByRole('listitem').filter({ hasText: name }).filter({ visible: true });
  }

  /** Chooses files to upload, as with the button. */
  async choose(...documents) {
    await this.page.getByLabel('Choose files').setInputFiles(documents);
  }

  dialog(name) {
    return this.page.getByRole('dialog', { name });
  }

  sees(locator) {
    return locator.first().waitFor({ state: 'visible' });
  }

  seesNot(locator) {
    return locator.first().waitFor({ state: 'hidden' });
  }

  /** Reads a text sooner or later. */
  reads(text) {
    return this.sees(this.page.getByText(text).filter({ visible: true }));
  }

  /** What a download that `act` begins brings: its name, and its bytes. */
  async downloads(act) {
    const [download] = await Promise.all([this.page.waitForEvent('download'), act()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return { name: download.suggestedFilename(), bytes: Buffer.concat(chunks) };
  }

  /** Names in the list of files, from the top. */
  async files() {
    return this.page.getByRole('table', { name: 'Files' }).getByRole('rowheader').allInnerTexts();
  }
}

/** Looks until `check` does not fail, or for too long. */
export async function eventually(check) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
