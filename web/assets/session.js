// Who is signed in. The token is in memory alone and sent with each call, so that no other page can have a
// browser act for them; a page that is loaded anew has it back by a cookie that counts for nothing else.

import { authorize, call, hasExpired, isAuthorized, Problem, renewBy, SIGNED_OUT } from './api.js';
import { t } from './i18n.js';
import { button, choice, dialog, el, field, formEnd, onSubmit } from './ui.js';

/** The user: their `username`, their `role`, and whether they are `confined`. */
export let user = null;

let endsAt = 0;
/** Milliseconds before its end from which on a sign-in is as good as expired for what is about to begin. */
let margin = 0;
let remembered = false;
let renewing = null;
let leave = () => {};

/** That the browser may remember somebody: it has not to be asked in vain. */
const HINT = 'consign-remembered';

/** What is done when somebody is signed out. */
export function onLeave(action) {
  leave = action;
}

/** Signs in. */
export async function signIn({ username, password, remember }) {
  const body = { username, password, remember };
  begin(await whose(await call('POST', 'login', { body, anonymous: true })));
  remembered = remember;
  hint(remember);
}

/** Registers a client, or an operations user. */
export const register = (body) => call('POST', 'register', { body, anonymous: !isAuthorized() });

/** Signs in whom this browser remembers; whether there is one. */
export async function resume() {
  const session = await recall();
  if (!session) return false;
  begin(session);
  remembered = true;
  return true;
}

/** A session of whom this browser remembers, with which nothing is done yet; null where there is none. */
async function recall() {
  if (!hint()) return null;
  try {
    return await whose(await call('POST', 'session', { anonymous: true }));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) hint(false);
    return null;
  }
}

/** Whether the hint is there; with `keep`, whether it is to be. */
function hint(keep) {
  try {
    if (keep) localStorage.setItem(HINT, 'yes');
    else if (keep === false) localStorage.removeItem(HINT);
    return localStorage.getItem(HINT) !== null;
  } catch {
    // A browser that keeps nothing for a page remembers nobody either.
    return false;
  }
}

/** Signs out of this browser, or ends all sessions and signed links. */
export async function signOut(everywhere = false) {
  try {
    await call('DELETE', 'session', { query: everywhere ? { everywhere: true } : [], once: true });
  } catch (error) {
    // It has ended already; but nobody is told so of their other sessions.
    if (everywhere || !hasExpired(error)) throw error;
  }
  end();
}

/** Asks for the password early, if the sign-in is about to end: what is large should not be sent in vain. */
export async function last() {
  if (Date.now() + margin > endsAt) await renew();
}

/** Gives the user another password, which ends all sessions but this browser's new one. */
export async function changePassword(current, changed) {
  const { username } = user;
  await call('POST', 'password', { body: { current_password: current, new_password: changed } });
  await signIn({ username, password: changed, remember: remembered });
}

/** A session with its user, and when it ends. */
async function whose({ access_token: token, expires_in: lasts }) {
  const session = { token, endsAt: Date.now() + lasts * 1000, margin: Math.min(10_000, lasts * 250) };
  const { user: owner } = await call('GET', 'session', { as: token });
  return { ...session, owner };
}

function begin(session) {
  authorize(session.token);
  ({ endsAt, margin, owner: user } = session);
}

function end() {
  hint(false);
  remembered = false;
  forget();
}

function forget() {
  authorize(null);
  user = null;
  leave();
}

function renew() {
  renewing ??= again().finally(() => {
    renewing = null;
  });
  return renewing;
}

async function again() {
  // Another page may have signed in since; but what is about to end is no renewal.
  const session = remembered && user && (await recall());
  if (session && user && Date.now() + session.margin < session.endsAt) {
    if (session.owner.id === user.id) return begin(session);
    // It is somebody else, who is shown nothing of this, and in whose name none of it is done.
    forget();
    location.reload();
    throw new Problem(401, { msg: SIGNED_OUT });
  }
  if (user === null) throw new Problem(401, { msg: SIGNED_OUT });
  if (await ask()) return;
  end();
  throw new Problem(401, { msg: SIGNED_OUT });
}

/** Asks for the password over what is being done, which goes on after it. */
function ask() {
  const { username } = user;
  const fill = (close) => {
    const form = el('form', { method: 'post' },
      el('p', {}, t('expired.introduction')),
      field(t('username'), { name: 'username', value: username, readonly: true, autocomplete: 'username' }),
      field(t('password'), { name: 'password', type: 'password', autocomplete: 'current-password', required: true, autofocus: true }),
      choice(t('remember'), { name: 'remember', checked: remembered }),
      formEnd(el('button', {}, t('expired.button')), button(t('signout'), () => close(false), { class: 'second' })));
    onSubmit(form, async (data) => {
      await signIn({ username, password: data.get('password'), remember: data.has('remember') });
      close(true);
    }, () => 'password');
    return form;
  };
  return dialog(t('expired.title'), fill, { dismissible: false });
}

renewBy(renew);
