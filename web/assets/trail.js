// The trail: what happened, in sentences.

import { call } from './api.js';
import { groups as allGroups } from './audience.js';
import { bytes, date, dateTime, kind, t } from './i18n.js';
import { cell, el, pages, table } from './ui.js';

const PAGE = 100;

/** Who did it. */
const actor = ({ by, username }) =>
  username ?? { anonymous: t('trail.anonymous'), administrator: t('trail.administrator'), sweeper: t('trail.server') }[by] ?? t('trail.former');

/** The trail, page by page. */
export async function trail() {
  const names = new Map((await allGroups().catch(() => [])).map(({ id, name }) => [id, name]));
  const columns = { who: t('trail.who'), what: t('trail.what') };
  const row = (entry) => el('tr', {},
    el('th', { scope: 'row' }, el('time', { datetime: entry.at }, dateTime(entry.at))),
    cell(columns.who, actor(entry)),
    cell(columns.what, el('span', {}, kind(entry.kind, args(entry.fields, names))), details(entry.fields)));
  const { place } = pages((cursor) => call('GET', 'audit', { query: { limit: PAGE, ...(cursor && { cursor }) } }),
    ({ entries }) => (entries.length === 0 ? el('p', { class: 'none' }, t('trail.none'))
      : table(t('trail.title'), [t('trail.when'), columns.who, columns.what], entries.map(row))));
  return { title: t('trail.title'), content: [el('p', { class: 'quiet' }, t('trail.introduction')), place] };
}

/** What stands in a sentence for the entry's fields. */
function args(fields, names) {
  const group = fields.group && (names.get(fields.group) ?? t('trail.group'));
  return {
    name: fields.name ?? group ?? fields.file ?? '',
    group: group ?? '',
    role: fields.role === 'operations' ? t('role.operations') : t('role.client'),
    status: fields.status === 'active' ? t('groups.member.active') : t('groups.member.disabled'),
    times: fields.times ?? 1,
    time: fields.expires_at ? date(fields.expires_at) : t('never'),
    days: fields.retention_days ? t('end.days', { n: fields.retention_days }) : t('groups.for.ever'),
    recipient: fields.recipient ?? t('links.anybody'),
    size: bytes(fields.bytes ?? 0),
    started: fields.started ?? 0,
    completed: fields.completed ?? 0,
  };
}

/** The fields as they are recorded. */
const details = (fields) =>
  Object.keys(fields).length > 0 && el('details', {}, el('summary', {}, t('trail.details')),
    el('dl', {}, Object.entries(fields).map(([name, value]) => [el('dt', {}, name), el('dd', {}, value === null ? '–' : [value].flat().join(', '))])));
