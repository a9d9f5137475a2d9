// Managed links: for people without an account, counted and taken back.

import { call, newKey, segment } from './api.js';
import { days, ending } from './audience.js';
import { bytes, date, dateTime, number, t } from './i18n.js';
import { showDownloads } from './files.js';
import { announce, button, cell, choice, confirm, copyable, dialog, el, field, formEnd, onSubmit, pages, table } from './ui.js';

const PAGE = 50;

/** What a link can have; each is named as the API names it. */
function properties(link) {
  const end = link
    ? ending(t('link.end'), [['keep', t('end.keep', { time: dateTime(link.expires_at) })], ...days(1, 7, 30, 90)], 'keep')
    : ending(t('link.end'), days(1, 7, 30, 90), '7');
  end.place.querySelector('select').name = 'expires_in';
  const place = [
    end.place,
    field(t('link.recipient'), { name: 'recipient', type: 'email', hint: t('link.recipient.hint'), autocomplete: 'off', value: link?.recipient }),
    field(t('link.password'), { name: 'password', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none',
      hint: link?.has_password ? t('link.password.kept') : t('link.password.hint') }),
    link?.has_password && choice(t('link.password.none'), { name: 'no_password' }),
    field(t('link.max'), { name: 'max_downloads', type: 'number', min: 1, max: 4294967295, inputmode: 'numeric', hint: t('link.max.hint'), value: link?.max_downloads }),
    field(t('link.note'), { name: 'note', rows: 2, maxlength: 1000, hint: t('link.note.hint') }),
  ];
  place.at(-1).querySelector('textarea').value = link?.note ?? '';
  /** What is said, by the form's data: of a link that there is, what is to be another. */
  const read = (data) => {
    const told = {
      max_downloads: data.get('max_downloads') ? Number(data.get('max_downloads')) : null,
      recipient: data.get('recipient').trim() || null,
      note: data.get('note').trim() || null,
    };
    const body = Object.fromEntries(Object.entries(told).filter(([name, value]) => value !== (link?.[name] ?? null)));
    const seconds = end.value();
    if (seconds !== undefined) body.expires_in = seconds;
    if (data.get('password')) body.password = data.get('password');
    else if (data.has('no_password')) body.password = null;
    return body;
  };
  return { place, read };
}

/** Which field a refused link's problem is about. */
const blame = ({ msg, detail = '' }) =>
  /^Password/.test(msg) ? 'password'
    : msg === 'Invalid link' ? ['expires_in', 'max_downloads', 'recipient', 'note', 'password'].find((name) => detail?.includes(name)) : null;

/** Makes a link to files, and shows it: it is told this once. */
export function makeLink(files) {
  return dialog(t('link.title', { n: files.length }), (close) => {
    const { place, read } = properties();
    const form = el('form', {}, el('ul', { class: 'contents' }, files.map(({ filename }) => el('li', {}, filename))), place,
      formEnd(el('button', {}, t('link.make')), button(t('cancel'), () => close(), { class: 'second' })));
    let asked, key;
    onSubmit(form, async (data) => {
      const body = { files: files.map(({ id }) => id), ...read(data) };
      // The same request has the same key, so that a lost answer makes no second link.
      if (asked !== JSON.stringify(body)) key = newKey();
      asked = JSON.stringify(body);
      const { link } = await call('POST', 'links', { body, key });
      const address = copyable(t('link.address'), link.url);
      form.replaceWith(el('div', {}, el('p', { class: 'good', role: 'status' }, t('link.made')), address,
        el('p', { class: 'quiet' }, t('link.once'), ' ', link.has_password && t('link.password.separately')),
        el('p', { class: 'buttons' }, button(t('done'), () => close(link), { class: 'second' }))));
      address.querySelector('button').focus();
      document.dispatchEvent(new Event('consign:linked'));
    }, blame);
    return form;
  });
}

/** Why a link opens no more, or that it does. */
function state({ revoked, expires_at, max_downloads, downloads }) {
  if (revoked) return ['revoked', t('state.revoked')];
  if (new Date(expires_at) <= Date.now()) return ['ended', t('state.ended')];
  if (max_downloads !== null && downloads >= max_downloads) return ['spent', t('state.spent')];
  return ['active', t('state.active')];
}

/** One's own links. */
export async function links() {
  const columns = { state: t('links.state'), recipient: t('links.recipient'), count: t('links.count'), end: t('links.end') };
  const row = (link) => {
    const [which, said] = state(link);
    const name = link.files.map(({ filename }) => filename ?? '…').join(', ');
    const what = (text) => ({ class: 'plain', 'aria-label': t('of', { what: text, name }) });
    const again = (changed) => {
      const fresh = row(changed);
      shown.replaceWith(fresh);
      fresh.querySelector('button').focus();
    };
    const revoke = async () => {
      let changed;
      const removal = async () => ({ link: changed } = await call('DELETE', `links/${segment(link.id)}`));
      if (!(await confirm(t('links.revoke.title'), t('links.revoke.text', { name }), t('links.revoke'), removal))) return;
      again(changed);
      announce(t('links.revoked'));
    };
    const shown = el('tr', { 'data-link': link.id },
      el('th', { scope: 'row', class: 'name' },
        link.files.map(({ filename }) => el('div', {}, filename ?? el('span', { class: 'quiet' }, t('links.file.gone')))),
        link.note && el('div', { class: 'quiet note-text' }, link.note)),
      cell(columns.state, el('span', { class: `state ${which}` }, said)),
      cell(columns.recipient, link.recipient ?? t('links.anybody'), link.has_password && el('div', { class: 'quiet' }, t('links.password'))),
      cell(columns.count, link.max_downloads === null ? number(link.downloads) : t('links.count.of', { n: link.downloads, max: link.max_downloads })),
      cell(columns.end, el('time', { datetime: link.expires_at, title: dateTime(link.expires_at) }, date(link.expires_at))),
      el('td', { class: 'actions' },
        !link.revoked && button(t('links.edit'), () => edit(link, again), what(t('links.edit'))),
        button(t('files.downloads'), () => showDownloads('links', link.id, name), what(t('files.downloads'))),
        !link.revoked && button(t('links.revoke'), revoke, what(t('links.revoke')))));
    return shown;
  };
  const list = pages((cursor) => call('GET', 'links', { query: { limit: PAGE, ...(cursor && { cursor }) } }),
    ({ links: made }) => (made.length === 0 ? el('p', { class: 'none' }, t('links.none'))
      : table(t('links.title'), [t('links.files'), columns.state, columns.recipient, columns.count, columns.end, null], made.map(row))));
  return { title: t('links.title'), content: [el('p', { class: 'quiet' }, t('links.introduction')), list.place] };
}

function edit(link, changed) {
  return dialog(t('links.edit.title'), (close) => {
    const { place, read } = properties(link);
    const form = el('form', {}, place, formEnd(el('button', {}, t('save')), button(t('cancel'), () => close(), { class: 'second' })));
    onSubmit(form, async (data) => {
      const body = read(data);
      const answer = Object.keys(body).length ? await call('PATCH', `links/${segment(link.id)}`, { body }) : { link };
      close();
      changed(answer.link);
      announce(t('saved'));
    }, blame);
    return form;
  });
}

/** A link that is for who has signed in: what they were sent, opened by who they are. */
export async function open(secret) {
  const path = `l/${segment(secret)}`;
  const described = await call('GET', path);
  const form = el('form', {}, el('p', {}, t('open.introduction', { time: dateTime(described.expires_at) })),
    described.password_required && field(t('password'), { name: 'password', type: 'password', autocomplete: 'off', required: true }),
    formEnd(el('button', {}, t('open.button'))));
  const key = newKey();
  onSubmit(form, async (data) => {
    const body = data.get('password') ? { password: data.get('password') } : {};
    const { download_url, files } = await call('POST', path, { body, key });
    const one = (file) => el('li', {}, el('a', { href: files.length > 1 ? `${download_url}?file=${segment(file.id)}` : download_url, download: true }, file.filename), ', ', bytes(file.size));
    form.replaceWith(el('div', {}, el('p', { class: 'good', role: 'status' }, t('open.ready')),
      files.length > 1 && el('p', {}, el('a', { class: 'button', href: download_url, download: true }, t('open.all'))),
      el('ul', { class: 'contents' }, files.map(one))));
  }, ({ msg }) => (/assword/.test(msg) ? 'password' : null));
  return { title: t('open.title'), content: [form] };
}
