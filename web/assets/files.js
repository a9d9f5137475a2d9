// Files: what there is, for whom, until when; and those that were removed.

import { call, segment } from './api.js';
import { chooser, days, ending, groups, told } from './audience.js';
import { bytes, date, dateTime, t } from './i18n.js';
import { makeLink } from './links.js';
import { user } from './session.js';
import { place as uploads, uploader } from './upload.js';
import { act, announce, button, cell, confirm, dialog, el, failure, field, formEnd, keep, nodes, onSubmit, pages, renew, short, table } from './ui.js';

/** Files on a page here, and in one answer. */
const PAGE = 50;
const BATCH = 500;

/** What puts files in another order than they come in. */
const ORDERS = {
  newest: null,
  oldest: (files) => files.reverse(),
  name: (files) => files.sort((a, b) => a.filename.localeCompare(b.filename, undefined, { numeric: true })),
  largest: (files) => files.sort((a, b) => b.size - a.size),
};

const undoable = Number(document.documentElement.dataset.removalGrace) > 0;

/** The list of files: for operations users with all that they may do, for clients to download. */
export async function files() {
  const operations = user.role === 'operations';
  const chosen = new Map();
  const names = new Map();
  const search = el('input', { type: 'search', name: 'search', autocomplete: 'off' });
  const sort = el('select', { name: 'sort' }, Object.keys(ORDERS).map((order) => el('option', { value: order }, t(`sort.${order}`))));
  const form = el('form', { class: 'row', role: 'search' }, field(t('search'), { control: search }), field(t('sort'), { control: sort }));
  const place = el('div', {});
  const tray = el('div', { class: 'tray', role: 'region', 'aria-label': t('files.chosen.label'), hidden: true });
  const columns = { name: t('files.name'), size: t('files.size'), uploaded: t('files.uploaded'), whom: t('files.whom'), ends: t('files.ends') };

  const none = () => {
    chosen.clear();
    listing.show();
    showTray();
    place.querySelector('.tick input')?.focus();
  };
  const showTray = () => {
    tray.hidden = chosen.size === 0;
    tray.replaceChildren(...nodes([
      el('span', {}, t('files.chosen', { n: chosen.size })),
      button(t('files.chosen.link'), async () => (await makeLink([...chosen.values()])) && none()),
      button(t('files.chosen.clear'), none, { class: 'second' }),
    ]));
  };
  const row = (file) => {
    const tick = el('input', { type: 'checkbox', checked: chosen.has(file.id), 'aria-label': t('files.choose', { name: file.filename }), onchange: () => {
      if (tick.checked) chosen.set(file.id, file);
      else chosen.delete(file.id);
      showTray();
    } });
    const shown = el('tr', { 'data-file': file.id },
      el('td', { class: 'tick' }, el('label', {}, tick)),
      el('th', { scope: 'row', class: 'name' }, file.filename),
      short(columns.size, bytes(file.size)),
      cell(columns.uploaded, el('time', { datetime: file.uploaded_at, title: dateTime(file.uploaded_at) }, date(file.uploaded_at))),
      operations && cell(columns.whom, told(file.audience, names)),
      cell(columns.ends, file.expires_at ? el('time', { datetime: file.expires_at, title: dateTime(file.expires_at) }, date(file.expires_at)) : t('never')),
      el('td', { class: 'actions' }, actions(file, (changed) => {
        if (!changed) return remove(file, shown);
        const fresh = row(Object.assign(file, changed));
        shown.replaceWith(fresh);
        fresh.querySelector('.share').focus();
      }, names)));
    return shown;
  };
  const remove = (file, shown) => {
    chosen.delete(file.id);
    showTray();
    listing.forget(file);
    const restore = async () => {
      const { file: restored } = await call('POST', `removed-files/${segment(file.id)}/restore`);
      listing.items.unshift(restored);
      const again = row(restored);
      note.replaceWith(again);
      announce(t('files.restored', { name: file.filename }));
      again.querySelector('input').focus();
    };
    const [undo, wrong] = act(t('undo'), restore, { class: 'second' });
    const said = undoable ? 'files.removed' : 'files.gone';
    const note = el('tr', { class: 'note' }, el('td', { colspan: 7 }, t(said, { name: file.filename }), ' ', undoable && undo, wrong));
    shown.replaceWith(note);
    announce(t(said, { name: file.filename }));
    if (undoable) undo.focus();
  };

  const listing = new Listing(place, (shown) => table(t('files.title'), [
    null, columns.name, columns.size, columns.uploaded, operations && columns.whom, columns.ends, null,
  ].filter((column) => column !== false), shown.map(row)), operations ? 'files.none' : 'files.none.client');

  let typing;
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => listing.load(search.value.trim(), sort.value), 200);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(typing);
    listing.load(search.value.trim(), sort.value);
  });
  sort.addEventListener('change', () => listing.load(search.value.trim(), sort.value));
  const uploaded = () => {
    if (place.isConnected) listing.load(search.value.trim(), sort.value);
    else document.removeEventListener('consign:uploaded', uploaded);
  };
  const parts = [];
  if (operations) {
    for (const { id, name } of await groups().catch(() => [])) names.set(id, name);
    parts.push(await uploader(), uploads);
    document.addEventListener('consign:uploaded', uploaded);
  }
  listing.load('', 'newest');
  return { title: operations ? t('files.title') : t('files.title.client'), content: [...parts, form, place, tray] };
}

/** A list that is read as far as it is looked at, and wholly where its order asks for it. */
class Listing {
  constructor(place, shown, none) {
    Object.assign(this, { place, shown, none, items: [], page: 0, turn: 0 });
  }

  async load(search, sort) {
    const turn = ++this.turn;
    Object.assign(this, { search, sort, page: 0 });
    this.place.ariaBusy = 'true';
    try {
      const found = await this.read(search, sort, turn);
      if (turn !== this.turn) return;
      this.items = found.items;
      this.next = found.next;
      this.show();
      if (search) announce(t(found.next ? 'files.found.more' : 'files.found', { n: found.items.length }));
    } catch (error) {
      if (turn === this.turn) this.place.replaceChildren(failure(error, () => this.load(search, sort)));
    } finally {
      if (turn === this.turn) this.place.ariaBusy = null;
    }
  }

  /** At least a page and one more, from `next` on. */
  async read(search, sort, turn, next) {
    const order = ORDERS[sort];
    const items = [];
    do {
      const query = { limit: BATCH, ...(search && { search }), ...(next && { cursor: next }) };
      const page = await call('GET', 'files', { query });
      items.push(...page.files);
      next = page.next;
    } while (next && turn === this.turn && (order || items.length <= PAGE));
    order?.(items);
    return { items, next };
  }

  forget(file) {
    this.items = this.items.filter(({ id }) => id !== file.id);
  }

  show(moved) {
    const { items, page, next } = this;
    if (items.length === 0) {
      const none = this.search ? t('files.none.found', { search: this.search }) : t(this.none);
      renew(this.place, el('p', { class: 'none' }, none));
      return;
    }
    const last = Math.max(0, Math.ceil(items.length / PAGE) - 1);
    const from = Math.min(page, last) * PAGE;
    const shown = items.slice(from, from + PAGE);
    const more = next || from + PAGE < items.length;
    const turns = (page > 0 || more) && el('nav', { class: 'turns', 'aria-label': t('pages') },
      button(t('previous'), () => this.go(page - 1), { class: 'second', disabled: page === 0 }),
      el('span', {}, next ? t('pages.open', { from: from + 1, to: from + shown.length })
        : t('pages.of', { from: from + 1, to: from + shown.length, n: items.length })),
      button(t('next'), () => this.go(page + 1), { class: 'second', disabled: !more }));
    renew(this.place, [this.shown(shown), turns], moved);
  }

  async go(page) {
    // Not while another page is being read, or another list.
    if (this.place.ariaBusy === 'true') return;
    const turn = this.turn;
    this.place.ariaBusy = 'true';
    try {
      if (this.next && this.items.length < (page + 1) * PAGE + 1) {
        const { items, next } = await this.read(this.search, this.sort, turn, this.next);
        if (turn !== this.turn) return;
        // To those that there are now: meanwhile one may have been removed.
        Object.assign(this, { items: [...this.items, ...items], next });
      }
      this.page = page;
      this.show(true);
      this.place.querySelector('table')?.scrollIntoView({ block: 'start' });
    } catch (error) {
      if (turn === this.turn) this.place.replaceChildren(failure(error, () => this.go(page)));
    } finally {
      if (turn === this.turn) this.place.ariaBusy = null;
    }
  }
}

function actions(file, became, names) {
  const label = (text) => t('of', { what: text, name: file.filename });
  const one = (text, action, attributes = {}) => button(text, action, { class: 'plain', 'aria-label': label(text), ...attributes });
  const link = one(t('files.link'), () => makeLink([file]));
  const downloads = one(t('files.downloads'), () => showDownloads('files', file.id, file.filename));
  if (user.role !== 'operations') {
    const [download, wrong] = act(t('download'), () => fetchFile(file), { class: 'second', 'aria-label': label(t('download')) });
    return [download, link, downloads, wrong];
  }
  const [removing, wrong] = act(t('remove'), async () => {
    const removal = () => call('DELETE', `files/${segment(file.id)}`);
    if (undoable) await removal();
    else if (!(await confirm(t('files.remove.title'), t('files.remove.text', { name: file.filename }), t('remove'), removal))) return;
    became(null);
  }, { class: 'plain', 'aria-label': label(t('remove')) });
  return [link, one(t('files.share'), () => share(file, became, names), { class: 'plain share' }), downloads, removing, wrong];
}

/** Goes to the file by a link of one's own. */
async function fetchFile(file) {
  const { download_url } = await call('GET', `generate_download_url/${segment(file.id)}`);
  keep(download_url);
  announce(t('files.downloading', { name: file.filename }));
}

/** For whom a file is, and until when. */
async function share(file, became, names) {
  const all = [...names].map(([id, name]) => ({ id, name }));
  await dialog(t('files.share.title', { name: file.filename }), (close) => {
    const audience = chooser({ chosen: file.audience, all });
    const now = file.expires_at ? t('end.keep', { time: date(file.expires_at) }) : t('end.never');
    const end = ending(t('files.share.end'), [['keep', now], file.expires_at && ['never', t('end.never')], ...days(1, 7, 30, 90)].filter(Boolean), 'keep');
    const form = el('form', {}, audience.place, end.place,
      formEnd(el('button', {}, t('save')), button(t('cancel'), () => close(), { class: 'second' })));
    onSubmit(form, async () => {
      const body = { audience: audience.value() };
      const seconds = end.value();
      if (seconds !== undefined) body.expires_in = seconds;
      const { file: changed } = await call('PATCH', `files/${segment(file.id)}`, { body });
      close();
      became(changed);
      announce(t('saved'));
    });
    return form;
  });
}

/** Whether a file, or what a link hands over, was downloaded; clients are told of a file's downloads by themselves. */
export function showDownloads(what, id, name) {
  const own = what === 'files' && user.role !== 'operations';
  return dialog(t('downloads.title', { name }), () => {
    const columns = { at: t('downloads.at'), by: t('downloads.by'), what: t('downloads.what'), state: t('downloads.state') };
    const row = ({ at, username, recipient, file, started, completed, bytes: sent }) => el('tr', {},
      el('th', { scope: 'row' }, el('time', { datetime: at }, dateTime(at))),
      cell(columns.by, username ?? recipient ?? t('downloads.anybody')),
      what === 'links' && cell(columns.what, file.filename),
      cell(columns.state, completed ? t('downloads.completed', { n: completed }) : t('downloads.started', { n: started, size: bytes(sent) })));
    const { place } = pages((cursor) => call('GET', `${what}/${segment(id)}/downloads`, { query: { limit: 100, ...(cursor && { cursor }) } }),
      ({ downloads, completed, total }) => [
        el('p', { class: completed ? 'good' : '' }, downloads.length === 0 ? t(own ? 'downloads.none.own' : 'downloads.none')
          : completed ? t('downloads.yes', { n: total.completed }) : t(own ? 'downloads.no.own' : 'downloads.no')),
        downloads.length > 0 && table(t('downloads.title', { name }),
          [columns.at, columns.by, what === 'links' && columns.what, columns.state].filter(Boolean), downloads.map(row)),
      ]);
    return place;
  });
}

/** The files that were removed and can be had back. */
export async function removed() {
  const columns = { size: t('files.size'), removed: t('removed.when'), why: t('removed.why'), gone: t('removed.gone') };
  const one = (file, text, verb, done, attributes) => act(text, async () => {
    if (!(await verb())) return;
    const row = document.querySelector(`[data-file="${CSS.escape(file.id)}"]`);
    const note = el('td', { colspan: 6, tabindex: '-1' }, done);
    row?.replaceWith(el('tr', { class: 'note' }, note));
    note.focus();
    announce(done);
  }, { class: 'plain', 'aria-label': t('of', { what: text, name: file.filename }), ...attributes });
  const row = (file) => {
    const path = `removed-files/${segment(file.id)}`;
    const back = one(file, t('restore'), () => call('POST', `${path}/restore`), t('files.restored', { name: file.filename }));
    const forGood = one(file, t('removed.purge'), () => confirm(t('removed.purge.title'), t('removed.purge.text', { name: file.filename }),
      t('removed.purge'), () => call('DELETE', path)), t('files.gone', { name: file.filename }));
    return el('tr', { 'data-file': file.id },
      el('th', { scope: 'row', class: 'name' }, file.filename),
      cell(columns.size, bytes(file.size)),
      cell(columns.removed, el('time', { datetime: file.removed_at }, dateTime(file.removed_at))),
      cell(columns.why, file.reason === 'removed' ? (file.removed_by ? t('removed.by', { name: file.removed_by }) : t('removed.somebody'))
        : file.reason === 'expired' ? t('removed.expired') : t('removed.retention')),
      cell(columns.gone, el('time', { datetime: file.gone_at }, dateTime(file.gone_at))),
      el('td', { class: 'actions' }, back, forGood));
  };
  const { place } = pages((cursor) => call('GET', 'removed-files', { query: { limit: PAGE, ...(cursor && { cursor }) } }),
    ({ files: gone }) => (gone.length === 0 ? el('p', { class: 'none' }, t('removed.none'))
      : table(t('removed.title'), [t('files.name'), columns.size, columns.removed, columns.why, columns.gone, null], gone.map(row))));
  return { title: t('removed.title'), content: [el('p', { class: 'quiet' }, t('removed.introduction')), place] };
}
