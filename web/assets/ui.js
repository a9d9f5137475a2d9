// Elements, forms and dialogs. Texts are only ever text: nothing is parsed as HTML.

import { Problem } from './api.js';
import { date, Said, sentence, t, tell } from './i18n.js';

/**
 * An element. Attributes that are true are there, false and null are not; those that begin with `on` are
 * listeners. Children are nodes, texts, lists of these, or null.
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (attribute.startsWith('on')) element.addEventListener(attribute.slice(2), value);
    else if (value instanceof Said) tell(element, value, attribute);
    else element.setAttribute(attribute, value === true ? '' : value);
  }
  element.append(...nodes(children));
  return element;
}

/** Children as nodes, to be given to `append` or `replaceChildren`. */
export const nodes = (children) => [children].flat(Infinity).filter((child) => child !== null && child !== false && child !== undefined).map(node);

function node(child) {
  if (child instanceof Node) return child;
  const text = document.createTextNode('');
  tell(text, child);
  return text;
}

export const button = (text, onclick, attributes = {}) => el('button', { type: 'button', onclick, ...attributes }, text);

const live = document.getElementById('live');

let telling;

/** Tells an outcome to who does not see it. */
export function announce(text) {
  hush();
  // In another turn: a text that comes with its place is not read.
  telling = setTimeout(() => live.replaceChildren(...nodes(text)), 50);
}

/** Leaves nothing of what was told. */
export function hush() {
  clearTimeout(telling);
  live.replaceChildren();
}

/** What is wrong, and what to do next, in words. */
export function explain(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return [t('error.unexpected')];
  }
  const { msg, detail, retryAfter } = error;
  const told = [sentence(msg)];
  if (detail) told.push(' ', el('span', { class: 'detail', lang: 'en' }, '(', detail, ')'));
  if (retryAfter) told.push(' ', t('error.wait', { n: retryAfter }));
  return told;
}

/** A notice of what failed, with a way to try again if there is one. */
export const failure = (error, again) =>
  el('div', { class: 'failure', role: 'alert' }, explain(error), again && [' ', button(t('again'), again, { class: 'plain' })]);

let fields = 0;

/** A labelled input, with a hint and a place for what is wrong with it. `control` may be another element. */
export function field(label, { hint, control, ...attributes }) {
  const id = `field-${++fields}`;
  const input = control ?? el(attributes.rows ? 'textarea' : 'input', attributes);
  input.id = id;
  const told = [hint && `${id}-hint`, `${id}-wrong`].filter(Boolean).join(' ');
  input.setAttribute('aria-describedby', told);
  return el('div', { class: 'field' },
    el('label', { for: id }, label),
    input,
    hint && el('span', { class: 'hint', id: `${id}-hint` }, hint),
    el('span', { class: 'wrong', id: `${id}-wrong` }));
}

/** A box to tick, or one of several to choose from. */
export function choice(label, attributes = {}) {
  const id = `field-${++fields}`;
  return el('div', { class: 'choice' }, el('input', { type: 'checkbox', id, ...attributes }), el('label', { for: id }, label));
}

/** Several choices under one heading. */
export const choices = (legend, ...children) => el('fieldset', {}, el('legend', {}, legend), children);

/**
 * Has a form do something: once at a time, telling what is wrong at the field that `blame` names for a
 * problem, or at its end. What was typed stays.
 */
export function onSubmit(form, action, blame = () => null) {
  form.noValidate = true;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.ariaBusy === 'true') return;
    clear(form);
    const empty = [...form.elements].find((input) => input.willValidate && !input.validity.valid);
    if (empty) return wrong(empty, [reason(empty)]);
    form.ariaBusy = 'true';
    try {
      await action(new FormData(form), event.submitter);
    } catch (error) {
      const input = error instanceof Problem && form.elements[blame(error)];
      if (input) wrong(input, explain(error));
      else form.querySelector('.failure').replaceChildren(...nodes(explain(error)));
    } finally {
      form.ariaBusy = null;
    }
  });
}

function clear(form) {
  form.querySelector('.failure').replaceChildren();
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
  for (const told of form.querySelectorAll('.wrong')) told.replaceChildren();
}

function wrong(input, told) {
  input.setAttribute('aria-invalid', 'true');
  let place = input.closest('.field, fieldset')?.querySelector('.wrong');
  place ??= input.form.querySelector('.failure');
  place.replaceChildren(...nodes(told));
  input.focus();
}

function reason({ validity, min, max, type }) {
  if (validity.valueMissing) return t('error.missing');
  if (validity.typeMismatch) return t('error.kind');
  // Noon is on that day, where the user is.
  if (validity.rangeUnderflow && type === 'date') return t('error.day', { day: date(`${min}T12:00`) });
  if (validity.rangeUnderflow) return t('error.least', { min });
  if (validity.rangeOverflow) return t('error.most', { max });
  return t('error.kind');
}

/** The end of a form: where it says what is wrong, and its buttons. */
export const formEnd = (...buttons) => [el('p', { class: 'failure', role: 'alert' }), el('p', { class: 'buttons' }, buttons)];

/**
 * A dialog, which gives what it is closed with, or null when it is dismissed. `fill` is given a function that
 * closes it, and gives what is in it.
 */
export function dialog(title, fill, { dismissible = true } = {}) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    let result = null;
    const close = (value = null) => {
      result = value;
      box.close();
    };
    const heading = el('h2', { id: `dialog-${++fields}`, tabindex: '-1' }, title);
    const box = el('dialog', { 'aria-labelledby': heading.id },
      el('div', { class: 'head' }, heading,
        dismissible && button('×', () => close(), { class: 'close', 'aria-label': t('close') })));
    box.append(...nodes(fill(close)));
    box.addEventListener('cancel', (event) => dismissible || event.preventDefault());
    box.addEventListener('close', () => {
      box.remove();
      if (before?.isConnected) before.focus();
      resolve(result);
    });
    document.body.append(box);
    box.showModal();
    (box.querySelector('[autofocus]') ?? heading).focus();
  });
}

/**
 * Asks before something is done that cannot be undone, and then does it. Whether it was done. What goes wrong is
 * told in the dialog.
 */
export const confirm = (title, text, verb, action) =>
  dialog(title, (close) => {
    const form = el('form', {}, el('p', {}, text),
      formEnd(el('button', { class: 'danger' }, verb), button(t('cancel'), () => close(false), { class: 'second' })));
    onSubmit(form, async () => {
      await action();
      close(true);
    });
    return form;
  });

/** A button that does one thing at a time, and says beside itself what went wrong. */
export function act(text, action, attributes = {}) {
  const told = el('span', { class: 'failure', role: 'alert' });
  const doing = button(text, async () => {
    if (doing.ariaBusy === 'true') return;
    doing.ariaBusy = 'true';
    told.replaceChildren();
    try {
      await action();
    } catch (error) {
      told.replaceChildren(...nodes(explain(error)));
    } finally {
      doing.ariaBusy = null;
    }
  }, attributes);
  return [doing, told];
}

/** Has the browser keep what is at an address: an answer that is no file does not take the page's place. */
export function keep(address) {
  const link = el('a', { href: address, download: true, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

/** A text, with a button that copies it. */
export function copyable(label, text) {
  const shown = el('input', { readonly: true, value: text, onfocus: () => shown.select() });
  const copied = el('span', { role: 'status' });
  const copy = async () => {
    shown.select();
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS there is no clipboard but this.
      done = document.execCommand('copy');
    }
    // Its text is selected where it has the focus.
    if (!done) shown.focus();
    copied.replaceChildren(...nodes(t(done ? 'copied' : 'copy.yourself')));
  };
  return el('div', { class: 'copyable' }, field(label, { control: shown }),
    el('p', { class: 'buttons' }, button(t('copy'), copy, { autofocus: true }), copied));
}

/** A table whose rows become cards where there is no room. `columns` are headings, null for that of actions. */
export function table(caption, columns, rows) {
  const heading = (column) => (column === null ? el('td', {}) : el('th', { scope: 'col' }, column));
  return el('table', {}, el('caption', { class: 'sr' }, caption), el('thead', {}, el('tr', {}, columns.map(heading))),
    el('tbody', {}, rows));
}

/** A cell, which repeats its column's heading where the row is a card. */
export const cell = (column, ...children) => el('td', { 'data-column': column }, el('div', {}, children));

/** A cell of what is never long. */
export const short = (column, ...children) => el('td', { class: 'short', 'data-column': column }, el('div', {}, children));

/** Makes what is in a place anew; the focus stays at what is called the same, or else goes to the list. */
export function renew(place, children, moved = false) {
  const had = place.contains(document.activeElement) && document.activeElement;
  const label = had && had.getAttribute('aria-label');
  place.replaceChildren(...nodes(children));
  if (!had) return;
  const same = label && !moved && place.querySelector(`[aria-label="${CSS.escape(label)}"]`);
  const other = place.querySelector('table, .none, .failure');
  if (other) other.tabIndex = -1;
  (same || other)?.focus();
}

/** A list that comes in pages: what `load` gives for a cursor, until there is no other. */
export function pages(load, show) {
  const place = el('div', {});
  const before = [];
  let latest = 0;
  const turn = async (cursor, moved) => {
    const mine = ++latest;
    place.ariaBusy = 'true';
    try {
      const { next, ...page } = await load(cursor);
      const turns = (before.length > 0 || next) && el('nav', { class: 'turns', 'aria-label': t('pages') },
        button(t('previous'), once(() => turn(before.pop(), true)), { class: 'second', disabled: before.length === 0 }),
        button(t('next'), once(() => (before.push(cursor), turn(next, true))), { class: 'second', disabled: !next }));
      const shown = await show(page);
      if (mine === latest) renew(place, [shown, turns], moved);
    } catch (error) {
      if (mine === latest) renew(place, failure(error, () => turn(cursor)));
    } finally {
      if (mine === latest) place.ariaBusy = null;
    }
  };
  /** Not while another page is being read. */
  const once = (go) => () => place.ariaBusy === 'true' || go();
  const reload = () => {
    before.length = 0;
    return turn();
  };
  turn();
  return { place, reload };
}
