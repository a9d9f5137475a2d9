// Uploads: several at a time, each with what became of it. They go on whatever is looked at meanwhile.

import { address, credentials, hasExpired, newKey, parsed, Problem, problemOf, renew, UNREACHABLE } from './api.js';
import { chooser, days, ending, groups, query } from './audience.js';
import { bytes, duration, t } from './i18n.js';
import { last } from './session.js';
import { announce, button, el, explain, nodes } from './ui.js';

const { accept, maxUpload } = document.documentElement.dataset;
/** `.docx` and so on; none where what may be uploaded is told in other words. */
const types = accept.match(/\.\w+/g) ?? [];

/** At once; the others wait. */
const AT_ONCE = 3;
/** Milliseconds between looks at how fast an upload is. */
const LOOK = 250;

/** All uploads that there were since they were last cleared. */
export const place = document.getElementById('uploads');
const rows = el('ul', { class: 'rows' });
const uploads = new Set();

/** Fields to choose files, with whom they are for and until when. */
export async function uploader() {
  const all = await groups().catch(() => []);
  const audience = chooser({ open: true, all });
  const end = ending(t('upload.end'), [['keep', t('upload.end.usual')], ...days(1, 7, 30, 90)], 'keep');
  const picker = el('input', { type: 'file', id: 'picker', class: 'sr', multiple: true, accept: types.join(',') });
  const options = el('form', {}, audience.place, end.place);
  options.addEventListener('submit', (event) => event.preventDefault());
  const settings = el('details', {}, el('summary', {}, t('upload.options')), options);
  /** For whom and until when files are, as it is chosen now; null where that is not complete. */
  const chosen = () => {
    if (!options.checkValidity()) {
      settings.open = true;
      options.reportValidity();
      return null;
    }
    const seconds = end.value();
    return [...query(audience.value()), ...(seconds ? [['expires_in', seconds]] : [])];
  };
  const begin = (files) => {
    // What is changed later is for the files that are chosen later.
    const parameters = chosen();
    if (parameters) for (const file of files) add(file, parameters, () => (options.isConnected ? chosen() : parameters));
  };
  picker.addEventListener('change', () => {
    begin([...picker.files]);
    picker.value = '';
  });
  const zone = el('div', { class: 'drop' }, picker,
    el('label', { for: 'picker', class: 'button' }, t('upload.choose')),
    el('p', {}, t('upload.drop')),
    el('p', { class: 'quiet' }, types.length ? t('upload.types', { types: types.join(', ') }) : accept, ' ',
      t('upload.limit', { size: bytes(Number(maxUpload)) })));
  dropped(zone, begin);
  return el('section', { class: 'upload', 'aria-labelledby': 'upload-title' },
    el('h2', { id: 'upload-title', class: 'sr' }, t('upload.title')), zone, settings);
}

/** Files may be dropped anywhere on the page while `zone` is on it. */
function dropped(zone, begin) {
  let depth = 0;
  const over = (change) => (event) => {
    if (!zone.isConnected || !event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    depth = change(depth);
    zone.classList.toggle('over', depth > 0);
  };
  const controller = new AbortController();
  const on = (name, listener) => document.addEventListener(name, (event) => {
    if (!zone.isConnected && zone.dataset.shown) return controller.abort();
    zone.dataset.shown = 'yes';
    listener(event);
  }, { signal: controller.signal });
  on('dragenter', over((depth) => depth + 1));
  on('dragleave', over((depth) => depth - 1));
  on('dragover', over((depth) => depth));
  on('drop', (event) => {
    if (!zone.isConnected || !event.dataTransfer?.types.includes('Files')) return;
    over(() => 0)(event);
    begin([...event.dataTransfer.files]);
  });
}

/**
 * Takes a file on, which is sent when its turn comes. `reread` gives what the form says now in which its parameters
 * were chosen: another form, which says what is usual, must not have it go to others than it was meant for.
 */
function add(file, parameters, reread) {
  const upload = { file, parameters, reread, key: newKey(), state: 'waiting' };
  upload.bar = el('progress', { max: Math.max(file.size, 1), value: 0, 'aria-label': t('upload.progress', { name: file.name }) });
  upload.told = el('span', { class: 'told' });
  upload.actions = el('span', { class: 'buttons' });
  upload.row = el('li', { class: 'upload-row', tabindex: '-1' }, el('span', { class: 'name' }, file.name), upload.bar, upload.told, upload.actions);
  uploads.add(upload);
  rows.append(upload.row);
  if (!place.childElementCount) {
    place.append(el('h2', { id: 'uploads-title' }, t('upload.heading')), rows, el('p', { class: 'buttons' }, button(t('upload.clear'), clear, { class: 'second', id: 'clear' })));
  }
  place.hidden = false;
  const refused = refusal(file);
  if (refused) become(upload, 'refused', refused);
  else become(upload, 'waiting', [t('upload.waiting')]);
  next();
}

/** Why a file need not be sent. */
function refusal({ name, size }) {
  const known = types.length === 0 || types.some((type) => name.toLowerCase().endsWith(type));
  if (!known) return [t('upload.type', { types: types.join(', ') })];
  if (size > Number(maxUpload)) return [t('upload.large', { size: bytes(Number(maxUpload)) })];
  return null;
}

function next() {
  const running = [...uploads].filter(({ state }) => state === 'sending').length;
  const waiting = [...uploads].filter(({ state }) => state === 'waiting');
  for (const upload of waiting.slice(0, AT_ONCE - running)) run(upload);
}

async function run(upload) {
  become(upload, 'sending', [t('upload.starting')]);
  try {
    await last();
    if (upload.state === 'sending') await send(upload);
    if (upload.state !== 'sending') return;
    become(upload, 'done', [t('upload.done', { size: bytes(upload.file.size) })]);
    announce(t('upload.announce.done', { name: upload.file.name }));
    document.dispatchEvent(new Event('consign:uploaded'));
  } catch (error) {
    if (upload.state !== 'sending') return;
    // Whom it was to be for, or until when, may have been wrong: then that is read again.
    upload.asksAgain = error.status === 400 || error.status === 404;
    become(upload, 'failed', explain(error));
    announce(t('upload.announce.failed', { name: upload.file.name }));
  } finally {
    next();
  }
}

async function send(upload) {
  for (;;) {
    const { used, value } = credentials();
    try {
      return await transfer(upload, value);
    } catch (error) {
      if (!hasExpired(error) || upload.state !== 'sending') throw error;
      await renew(used);
      if (upload.state !== 'sending') return;
      become(upload, 'sending', [t('upload.starting')]);
    }
  }
}

/** Sends a file once. `fetch` does not tell how far it is. */
function transfer(upload, authorization) {
  const { file, bar } = upload;
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append('file', file);
  const samples = [];
  return new Promise((resolve, reject) => {
    request.open('POST', address('upload', upload.parameters));
    request.setRequestHeader('Authorization', authorization);
    request.setRequestHeader('Idempotency-Key', upload.key);
    request.setRequestHeader('Accept', 'application/json');
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      const now = performance.now();
      if (loaded < total && samples.length && now - samples.at(-1).now < LOOK) return;
      samples.push({ now, loaded });
      // Over the last seconds.
      while (samples.length > 2 && now - samples[0].now > 5000) samples.shift();
      bar.max = total;
      bar.value = loaded;
      upload.told.replaceChildren(...nodes(loaded < total ? progress(samples, loaded, total) : [t('upload.checking')]));
      // From here on the server may keep it, whatever is done.
      if (loaded === total) offer(upload, []);
    });
    request.addEventListener('load', () => {
      if (request.status === 200 && parsed(request.responseText)) resolve();
      else reject(problemOf(request.status, request.responseText, request.getResponseHeader('Retry-After')));
    });
    request.addEventListener('error', () => reject(new Problem(0, { msg: UNREACHABLE })));
    request.addEventListener('abort', () => resolve());
    upload.request = request;
    request.send(form);
  });
}

function progress(samples, loaded, total) {
  const [first, latest] = [samples[0], samples.at(-1)];
  const seconds = (latest.now - first.now) / 1000;
  const told = { loaded: bytes(loaded), total: bytes(total) };
  if (seconds < 0.5) return [t('upload.sent', told)];
  const speed = (latest.loaded - first.loaded) / seconds;
  const left = duration((total - loaded) / Math.max(speed, 1));
  return [t('upload.speed', { ...told, speed: bytes(speed), left })];
}

function become(upload, state, told) {
  upload.state = state;
  upload.row.dataset.state = state;
  upload.told.replaceChildren(...nodes(told));
  upload.bar.hidden = state !== 'waiting' && state !== 'sending';
  const name = upload.file.name;
  const one = (text, label, action) => button(text, action, { class: 'second', 'aria-label': label });
  const retry = one(t('retry'), t('upload.retry', { name }), () => {
    const parameters = upload.asksAgain ? upload.reread() : upload.parameters;
    if (!parameters) return;
    upload.parameters = parameters;
    become(upload, 'waiting', [t('upload.waiting')]);
    next();
  });
  const cancel = one(t('cancel'), t('upload.cancel', { name }), () => {
    become(upload, 'cancelled', [t('upload.cancelled')]);
    upload.request?.abort();
    announce(t('upload.cancelled'));
    next();
  });
  offer(upload, { waiting: [cancel], sending: [cancel], failed: [retry], cancelled: [retry] }[state] ?? []);
}

function offer(upload, actions) {
  const had = upload.row.contains(document.activeElement);
  upload.actions.replaceChildren(...actions);
  // Where the button that was pressed is gone, its place keeps the focus.
  if (had) (actions[0] ?? upload.row).focus();
}

/** Forgets the rows of what is over. */
function clear() {
  for (const upload of uploads) {
    if (isRunning(upload)) continue;
    uploads.delete(upload);
    upload.row.remove();
  }
  place.hidden = uploads.size === 0;
  if (place.hidden) document.getElementById('main').focus();
}

const isRunning = ({ state }) => state === 'waiting' || state === 'sending';

/** Ends all uploads, and forgets them: somebody else may sign in. */
export function abandon() {
  for (const upload of uploads) {
    if (isRunning(upload)) become(upload, 'cancelled', []);
    upload.request?.abort();
  }
  clear();
}

addEventListener('beforeunload', (event) => {
  if ([...uploads].some(isRunning)) event.preventDefault();
});
