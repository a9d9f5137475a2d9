// The trail: what happened, in sentences.

import { call } from './api.js';
import { groups as allGroups } from './audience.js';
import { bytes, date, dateTime, kind, t } from './i18n.js';
import { cell, el, field, pages, table } from './ui.js';

const PAGE = 100;
/** In one answer, when all is read. */
const BATCH = 1000;

/** The trail, page by page. */
export async function trail() {
  const names = new Map((await allGroups().catch(() => [])).map(({ id, name }) => [id, name]));
  const columns = { who: t('trail.who'), what: t('trail.what') };
  const row = (entry) => el('tr', {},
    el('th', { scope: 'row' }, el('time', { datetime: entry.at }, dateTime(entry.at))),
    cell(columns.who, actor(entry)),
    cell(columns.what, el('span', {}, kind(entry.kind, args(entry, names))), details(entry.fields)));
  const shown = (entries) => {
    learn(entries, names);
    return entries.length === 0 ? el('p', { class: 'none' }, t('trail.none')) : table(t('trail.title'), [t('trail.when'), columns.who, columns.what], entries.map(row));
  };
  const forwards = (cursor) => call('GET', 'audit', { query: { limit: PAGE, ...(cursor && { cursor }) } });
  // The API tells the oldest first, so the newest are known when all is read.
  let all;
  const backwards = async (at = 0) => {
    if (at === 0) all = await whole(names);
    return { entries: all.slice(at, at + PAGE), next: at + PAGE < all.length ? at + PAGE : null };
  };
  const place = el('div', {});
  const show = () => {
    const list = pages(order.value === 'newest' ? backwards : forwards, ({ entries }) => shown(entries));
    place.replaceChildren(list.place);
  };
  const order = el('select', { onchange: show }, ['oldest', 'newest'].map((value) => el('option', { value }, t(`sort.${value}`))));
  show();
  return { title: t('trail.title'), content: [el('p', { class: 'quiet' }, t('trail.introduction')),
    el('div', { class: 'row narrow' }, field(t('sort'), { control: order })), place] };
}

/** All entries, newest first. */
async function whole(names) {
  const all = [];
  let cursor;
  do {
    const page = await call('GET', 'audit', { query: { limit: BATCH, ...(cursor && { cursor }) } });
    all.push(...page.entries);
    cursor = page.next;
  } while (cursor);
  learn(all, names);
  return all.reverse();
}

/** What entries tell of the names of groups and files. */
function learn(entries, names) {
  for (const { fields } of entries) {
    const named = fields.file ?? fields.group;
    if (named && fields.name && !names.has(named)) names.set(named, fields.name);
  }
}

/** Who did it. */
const actor = ({ by, username }) =>
  username ?? { anonymous: t('trail.anonymous'), administrator: t('trail.administrator'), sweeper: t('trail.server') }[by] ?? t('trail.former');

/** What stands in a sentence for the entry's fields. */
const args = ({ fields, whom }, names) => ({
  file: fields.name ?? names.get(fields.file) ?? t('trail.file'),
  group: fields.name ?? names.get(fields.group) ?? t('trail.group'),
  user: fields.user === null ? t('trail.unknown') : whom ?? t('trail.user'),
  role: fields.role === 'operations' ? t('role.operations') : t('role.client'),
  status: fields.status === 'active' ? t('groups.member.active') : t('groups.member.disabled'),
  n: fields.times ?? 1,
  time: fields.expires_at ? date(fields.expires_at) : t('never'),
  days: fields.retention_days ? t('end.days', { n: fields.retention_days }) : t('groups.for.ever'),
  recipient: fields.recipient ?? t('links.anybody'),
  size: bytes(fields.bytes ?? 0),
  started: fields.started ?? 0,
  completed: fields.completed ?? 0,
});

/** The fields as they are recorded. */
const details = (fields) =>
  Object.keys(fields).length > 0 && el('details', {}, el('summary', {}, t('trail.details')),
    el('dl', {}, Object.entries(fields).map(([name, value]) => [el('dt', {}, name), el('dd', {}, value === null ? '–' : [value].flat().join(', '))])));
