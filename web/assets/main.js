// The page: who is signed in, what they look at, and the way between.

import { choose, retell, Said, t, tell } from './i18n.js';
import { files, removed } from './files.js';
import { blameUser, group, groups, userFields, userOf } from './groups.js';
import { links, open } from './links.js';
import * as session from './session.js';
import { trail } from './trail.js';
import { abandon, place as uploads } from './upload.js';
import { act, announce, button, choice, dialog, el, failure, field, formEnd, hush, nodes, onSubmit } from './ui.js';

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const account = document.getElementById('user');
const language = document.getElementById('language');
/** The form that came with the page. */
const signin = document.getElementById('signin');

/** What there is to look at, by the first part of the address; the first is for who comes from nowhere. */
const VIEWS = {
  files: { label: 'nav.files', show: files },
  removed: { label: 'nav.removed', show: removed, operations: true },
  links: { label: 'nav.links', show: links },
  groups: { label: 'nav.groups', show: (id) => (id ? group(id) : groups()), operations: true },
  trail: { label: 'nav.trail', show: trail, operations: true },
  open: { show: open },
};

let turn = 0;

const place = () => {
  try {
    return location.hash.slice(2).split('/').map(decodeURIComponent);
  } catch {
    // No address of this page is so: as if there was none.
    return [];
  }
};

/** Shows what the address names. The heading is read when somebody has gone there. */
async function show(moved = true) {
  const mine = ++turn;
  const [name, ...rest] = place();
  if (session.user === null) return welcome(name);
  const allowed = Object.entries(VIEWS).filter(([, view]) => !view.operations || session.user.role === 'operations');
  const view = new Map(allowed).get(name) ?? VIEWS.files;
  nav.replaceChildren(...nodes(allowed.filter(([, { label }]) => label).map(([to, { label, show: it }]) =>
    el('a', { href: `#/${to}`, 'aria-current': it === view.show ? 'page' : null }, t(label)))));
  main.ariaBusy = 'true';
  let shown;
  try {
    shown = await view.show(...rest.filter(Boolean));
  } catch (error) {
    if (session.user === null) return;
    shown = { title: t('error.title'), content: failure(error, () => show()) };
  }
  if (mine !== turn) return;
  main.ariaBusy = null;
  fill(shown, moved);
}

function fill({ title, heading, content }, moved) {
  const h1 = el('h1', { tabindex: '-1' }, heading ?? title);
  // Beside what is shown, unless that has a place for them.
  if (main.contains(uploads)) main.after(uploads);
  main.replaceChildren(...nodes([h1, content]));
  call(title);
  if (!moved) return;
  h1.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** The title of the window. */
function call(title) {
  const text = document.createTextNode('');
  tell(text, title instanceof Said ? new Said(() => `${title} · Consign`) : `${title} · Consign`);
  document.querySelector('title').replaceChildren(text);
}

/** For who has not signed in: the form, or another to register. */
function welcome(name) {
  document.body.className = 'alone';
  nav.hidden = true;
  account.replaceChildren();
  main.after(uploads);
  if (name === 'register') return registration();
  retell(signin);
  main.replaceChildren(signin);
  call(t('signin.title'));
  signin.querySelector('button').disabled = false;
}

function registration() {
  const form = el('form', { method: 'post' }, el('h1', { tabindex: '-1' }, t('register.title')), el('p', { class: 'quiet' }, t('register.introduction')),
    userFields(), choice(t('register.operations'), { name: 'operations' }), formEnd(el('button', {}, t('register.button'))),
    el('p', { class: 'quiet' }, el('a', { href: '#/' }, t('register.back'))));
  onSubmit(form, async (data) => {
    const user = userOf(data);
    await session.register(user);
    await session.signIn({ ...user, remember: false });
    location.replace('#/files');
    enter();
    announce(t('register.done'));
  }, blameUser);
  main.replaceChildren(form);
  call(t('register.title'));
  form.querySelector('h1').focus();
}

/** Somebody has signed in. */
function enter() {
  document.body.className = '';
  nav.hidden = false;
  const { username } = session.user;
  const out = (text, everywhere) => act(text, () => session.signOut(everywhere), { class: 'plain' });
  account.replaceChildren(el('details', {}, el('summary', {}, username),
    el('div', { class: 'menu' }, button(t('password.change'), changePassword, { class: 'plain' }), out(t('signout'), false), out(t('signout.everywhere'), true), el('p', { class: 'hint' }, t('signout.everywhere.hint')))));
  show();
}

function changePassword() {
  return dialog(t('password.change'), (close) => {
    const secret = (label, name, more) => field(label, { name, type: 'password', required: true, ...more });
    const form = el('form', { method: 'post' }, el('p', { class: 'quiet' }, t('password.introduction')),
      el('input', { class: 'sr', name: 'username', autocomplete: 'username', value: session.user.username, readonly: true, tabindex: '-1', 'aria-hidden': 'true' }),
      secret(t('password.current'), 'current', { autocomplete: 'current-password', autofocus: true }),
      secret(t('password.new'), 'new', { autocomplete: 'new-password', hint: t('register.password.hint') }),
      formEnd(el('button', {}, t('save')), button(t('cancel'), () => close(), { class: 'second' })));
    onSubmit(form, async (data) => {
      await session.changePassword(data.get('current'), data.get('new'));
      close();
      announce(t('password.changed'));
    }, ({ msg }) => (msg === 'Wrong password' ? 'current' : /^Password/.test(msg) ? 'new' : null));
    return form;
  });
}

onSubmit(signin, async (data) => {
  await session.signIn({ username: data.get('username'), password: data.get('password'), remember: data.has('remember') });
  signin.reset();
  enter();
}, ({ status }) => (status === 401 ? 'password' : null));

session.onLeave(() => {
  abandon();
  hush();
  history.replaceState(null, '', '#/');
  for (const box of document.querySelectorAll('dialog')) box.close();
  show();
  document.getElementById('username')?.focus();
});

language.value = document.documentElement.lang;
language.addEventListener('change', async () => {
  try {
    await choose(language.value);
  } catch {
    language.value = document.documentElement.lang;
    announce(t('error.language'));
  }
});

document.getElementById('skip').addEventListener('click', (event) => {
  // The address is the view's.
  event.preventDefault();
  (main.querySelector('h1') ?? main).focus();
});

addEventListener('hashchange', () => show());
document.addEventListener('click', ({ target }) => {
  for (const menu of account.querySelectorAll('details[open]')) if (!menu.contains(target)) menu.open = false;
});
document.addEventListener('keydown', ({ key }) => {
  const menu = key === 'Escape' && account.querySelector('details[open]');
  if (menu) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});

// Who types before it is known whether the browser remembers somebody loses nothing.
signin.querySelector('button').disabled = false;
if (await session.resume()) enter();
else if (session.user === null) show(false);
