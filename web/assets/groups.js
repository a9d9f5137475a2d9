// Groups of clients, and new users.

import { call, segment } from './api.js';
import { date, t } from './i18n.js';
import { register } from './session.js';
import { act, announce, button, cell, choice, confirm, dialog, el, field, formEnd, onSubmit, pages, table } from './ui.js';

const PAGE = 100;

const retention = (value) => field(t('groups.retention'), { name: 'retention_days', type: 'number', min: 1, max: 36500, inputmode: 'numeric', hint: t('groups.retention.hint'), value });
const days = (data) => (data.get('retention_days') ? Number(data.get('retention_days')) : null);
const blame = ({ msg }) => (/retention/i.test(msg) ? 'retention_days' : /name/i.test(msg) ? 'name' : null);

/** All groups. */
export async function groups() {
  const columns = { kept: t('groups.kept'), made: t('groups.made') };
  const row = (group) => el('tr', {},
    el('th', { scope: 'row', class: 'name' }, el('a', { href: `#/groups/${segment(group.id)}` }, group.name)),
    cell(columns.kept, group.retention_days === null ? t('groups.for.ever') : t('end.days', { n: group.retention_days })),
    cell(columns.made, date(group.created_at)));
  const list = pages((cursor) => call('GET', 'groups', { query: { limit: PAGE, ...(cursor && { cursor }) } }),
    ({ groups: all }) => (all.length === 0 ? el('p', { class: 'none' }, t('groups.none'))
      : table(t('groups.title'), [t('groups.name'), columns.kept, columns.made], all.map(row))));
  const actions = el('p', { class: 'buttons' }, button(t('groups.new'), async () => {
    const group = await edit(t('groups.new'), null);
    if (group) location.hash = `#/groups/${segment(group.id)}`;
  }), button(t('users.new'), addUser, { class: 'second' }));
  return { title: t('groups.title'), content: [el('p', { class: 'quiet' }, t('groups.introduction')), actions, list.place] };
}

function edit(title, group) {
  return dialog(title, (close) => {
    const form = el('form', {}, field(t('groups.name'), { name: 'name', required: true, maxlength: 100, autofocus: true, autocomplete: 'off', value: group?.name }),
      retention(group?.retention_days), formEnd(el('button', {}, group ? t('save') : t('groups.make')), button(t('cancel'), () => close(), { class: 'second' })));
    onSubmit(form, async (data) => {
      const body = { name: data.get('name'), retention_days: days(data) };
      const answer = group ? await call('PATCH', `groups/${segment(group.id)}`, { body }) : await call('POST', 'groups', { body });
      close(answer.group);
      announce(t('saved'));
    }, blame);
    return form;
  });
}

/** One group, with who is in it. */
export async function group(id) {
  const path = `groups/${segment(id)}`;
  let { group: shown } = await call('GET', path);
  const columns = { email: t('email'), state: t('groups.member.state') };
  const kept = el('p', { class: 'quiet' });
  const heading = el('span', {}, shown.name);
  const tell = () => {
    heading.textContent = shown.name;
    kept.replaceChildren(el('span', {}, shown.retention_days === null ? t('groups.kept.ever') : t('groups.kept.days', { n: shown.retention_days })));
  };
  const row = ({ id: user, username, email, status }) => {
    const [out, wrong] = act(t('groups.member.remove'), async () => {
      await call('DELETE', `${path}/members/${segment(user)}`);
      const [undo, failed] = act(t('undo'), async () => {
        await call('POST', `${path}/members`, { body: { username } });
        await list.reload();
        const back = t('of', { what: t('groups.member.remove'), name: username });
        (list.place.querySelector(`[aria-label="${CSS.escape(back)}"]`) ?? list.place.querySelector('table'))?.focus();
      }, { class: 'second' });
      line.replaceWith(el('tr', { class: 'note' }, el('td', { colspan: 4 }, t('groups.member.removed', { name: username }), ' ', undo, failed)));
      announce(t('groups.member.removed', { name: username }));
      undo.focus();
    }, { class: 'plain', 'aria-label': t('of', { what: t('groups.member.remove'), name: username }) });
    const line = el('tr', {}, el('th', { scope: 'row', class: 'name' }, username), cell(columns.email, email),
      cell(columns.state, status === 'active' ? t('groups.member.active') : t('groups.member.disabled')), el('td', { class: 'actions' }, out, wrong));
    return line;
  };
  const list = pages((cursor) => call('GET', `${path}/members`, { query: { limit: PAGE, ...(cursor && { cursor }) } }),
    ({ members }) => (members.length === 0 ? el('p', { class: 'none' }, t('groups.member.none'))
      : table(t('groups.members'), [t('username'), columns.email, columns.state, null], members.map(row))));
  const adding = el('form', { class: 'adding' }, field(t('groups.member.add'), { name: 'username', required: true, autocapitalize: 'none', autocomplete: 'off', spellcheck: 'false' }),
    el('button', {}, t('add')), el('p', { class: 'failure', role: 'alert' }));
  onSubmit(adding, async (data) => {
    const { member } = await call('POST', `${path}/members`, { body: { username: data.get('username').trim() } });
    adding.reset();
    await list.reload();
    announce(t('groups.member.added', { name: member.username }));
  }, () => 'username');
  const change = async () => {
    shown = (await edit(t('groups.edit'), shown)) ?? shown;
    tell();
  };
  const remove = () => confirm(t('groups.remove.title'), t('groups.remove.text', { name: shown.name }), t('groups.remove'), async () => {
    await call('DELETE', path);
    announce(t('groups.removed', { name: shown.name }));
    location.hash = '#/groups';
  });
  tell();
  return { title: shown.name, content: [
    el('p', {}, el('a', { href: '#/groups' }, t('groups.back'))), kept,
    el('p', { class: 'buttons' }, button(t('groups.edit'), change, { class: 'second' }), button(t('groups.remove'), remove, { class: 'second' })),
    el('h2', {}, t('groups.members')), adding, list.place], heading };
}

/** What `register` is told, and which field a refusal is about. */
export const blameUser = ({ msg }) =>
  /email/i.test(msg) ? 'email' : /password/i.test(msg) ? 'password' : /username/i.test(msg) ? 'username' : /operation/i.test(msg) ? 'operations' : null;

/** The fields of a new user. */
export const userFields = () => [
  field(t('username'), { name: 'username', required: true, maxlength: 150, autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' }),
  field(t('email'), { name: 'email', type: 'email', required: true, autocomplete: 'email' }),
  field(t('password'), { name: 'password', type: 'password', required: true, autocomplete: 'new-password', hint: t('register.password.hint') }),
];

export const userOf = (data) => ({
  username: data.get('username'),
  email: data.get('email').trim(),
  password: data.get('password'),
  ...(data.has('operations') && { is_operation_user: true }),
});

function addUser() {
  return dialog(t('users.new'), (close) => {
    const form = el('form', {}, userFields(), choice(t('users.operations'), { name: 'operations' }),
      formEnd(el('button', {}, t('users.make')), button(t('cancel'), () => close(), { class: 'second' })));
    for (const input of form.querySelectorAll('input')) input.autocomplete = input.type === 'password' ? 'new-password' : 'off';
    onSubmit(form, async (data) => {
      await register(userOf(data));
      close();
      announce(t('users.made', { name: data.get('username') }));
    }, blameUser);
    return form;
  });
}
