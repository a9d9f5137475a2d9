// For whom a file is.

import { call } from './api.js';
import { t } from './i18n.js';
import { button, choice, choices, el, field, nodes } from './ui.js';
import { user } from './session.js';

const unlessSaid = document.documentElement.dataset.audience;

/** All groups, or none where they cannot be had. */
export async function groups() {
  const all = [];
  let cursor;
  do {
    const page = await call('GET', 'groups', { query: cursor ? { cursor } : {} });
    all.push(...page.groups);
    cursor = page.next;
  } while (cursor);
  return all;
}

/** An audience in words; `names` has the groups' by their ids. */
export function told(audience, names) {
  if (audience === 'everybody') return [t('audience.everybody')];
  if (audience === 'nobody') return [t('audience.nobody')];
  const whom = [...audience.users, ...audience.groups.map((id) => names.get(id) ?? t('audience.group'))];
  return whom.flatMap((name, at) => (at ? [', ', name] : [name]));
}

/**
 * Fields to choose an audience, with what is chosen: null where that is left to the server, which `open` allows.
 */
export function chooser({ chosen = null, open = false, all }) {
  const name = `audience-${Math.random().toString(36).slice(2)}`;
  const named = new Set(chosen?.users ?? []);
  const ticked = new Set(chosen?.groups ?? []);
  let which = typeof chosen === 'string' ? chosen : chosen ? 'chosen' : 'usual';

  const names = el('ul', { class: 'chips' });
  const show = () => names.replaceChildren(...nodes([...named].map((username) =>
    el('li', {}, username, button('×', () => (named.delete(username), show(), typed.focus()), { class: 'close', 'aria-label': t('audience.without', { name: username }) })))));
  const typed = el('input', { autocapitalize: 'none', autocomplete: 'off', spellcheck: 'false',
    onkeydown: (event) => event.key === 'Enter' && (event.preventDefault(), add()) });
  const add = () => {
    const username = typed.value.trim();
    if (username) named.add(username);
    typed.value = '';
    show();
    typed.focus();
  };
  const tick = (id) => (event) => (event.target.checked ? ticked.add(id) : ticked.delete(id));
  const whom = el('div', { class: 'inset', hidden: which !== 'chosen' },
    all.length > 0 && choices(t('audience.groups'), all.map((group) =>
      choice(group.name, { checked: ticked.has(group.id), onchange: tick(group.id) }))),
    el('div', { class: 'adding' }, field(t('audience.clients'), { control: typed, hint: t('audience.clients.hint') }),
      button(t('add'), add, { class: 'second' })),
    names);
  show();

  const one = (value, label) => choice(label, { type: 'radio', name, value, checked: which === value, onchange: () => {
    which = value;
    whom.hidden = value !== 'chosen';
  } });
  const usual = user.confined && unlessSaid === 'everybody' ? 'nobody' : unlessSaid;
  const place = choices(t('audience.legend'),
    open && one('usual', t(`audience.usual.${usual}`)),
    !user.confined && !(open && usual === 'everybody') && one('everybody', t('audience.everybody.long')),
    !(open && usual === 'nobody') && one('nobody', t('audience.nobody.long')),
    one('chosen', t('audience.chosen')), whom, el('span', { class: 'wrong' }));
  const value = () => {
    // What was typed and not added was meant.
    if (which === 'chosen' && typed.value.trim()) add();
    if (which === 'usual') return null;
    return which === 'chosen' ? { users: [...named], groups: [...ticked] } : which;
  };
  return { place, value };
}

/** An audience as an upload's query has it. */
export function query(audience) {
  if (audience === null) return [];
  if (typeof audience === 'string') return [['audience', audience]];
  const whom = [...audience.users.map((name) => `user:${name}`), ...audience.groups.map((id) => `group:${id}`)];
  return whom.length ? whom.map((one) => ['audience', one]) : [['audience', 'nobody']];
}

/** Fields to choose an end; `value` gives seconds from now, null for none, or undefined where nothing is said. */
export function ending(label, options, chosen) {
  const choose = () => {
    day.required = select.value === 'date';
    // What is not seen must not stand in the way of what is.
    day.disabled = !day.required;
    day.parentElement.hidden = !day.required;
  };
  const select = el('select', { onchange: choose },
    options.map(([value, text]) => el('option', { value, selected: value === chosen }, text)),
    el('option', { value: 'date' }, t('end.date')));
  const tomorrow = new Date();
  tomorrow.setDate(tomorrow.getDate() + 1);
  // The user's own days, as the input has them.
  const min = [tomorrow.getFullYear(), tomorrow.getMonth() + 1, tomorrow.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
  const day = el('input', { type: 'date', min });
  const place = el('div', { class: 'row' }, field(label, { control: select }), field(t('end.day'), { control: day }));
  choose();
  const value = () => {
    if (select.value === 'date') {
      // The end of that day where the user is.
      return Math.max(1, Math.round((new Date(`${day.value}T23:59:59`) - Date.now()) / 1000));
    }
    if (select.value === 'keep') return undefined;
    return select.value === 'never' ? null : Number(select.value) * 86400;
  };
  return { place, value };
}

/** How long something lasts, in days, as options. */
export const days = (...counts) => counts.map((n) => [String(n), t('end.days', { n })]);
