// What the page says, in the language that was chosen: changed in place, so that nothing typed is lost.

const page = document.documentElement;

let language, words, sentences, kinds;
/** The language as the reader's country writes it, where the browser says so: in numbers and dates. */
let locale;

/** A text that is told in the language of the moment, each time it is told. */
export class Said {
  constructor(tell) {
    this.tell = tell;
  }

  toString() {
    return this.tell();
  }
}

/** The message of a key. Its `{name}`s stand for arguments; a number `n` chooses between one and several. */
export const t = (key, args = {}) => new Said(() => fill(words[key] ?? key, args));

/** What a kind of the trail's entries is called, with what it is about. */
export const kind = (name, args) => new Said(() => (kinds[name] ? fill(kinds[name], args) : name));

/** What a sentence of the API means; one that is not known is told as it is. */
export const sentence = (text) => new Said(() => meaning(text));

export const number = (n) => new Said(() => new Intl.NumberFormat(locale).format(n));

export const date = (time) => new Said(() => dates({ dateStyle: 'medium' }).format(new Date(time)));

export const dateTime = (time) =>
  new Said(() => dates({ dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time)));

/** A number of bytes, in powers of 1000. */
export const bytes = (n) => new Said(() => size(n));

/** A number of seconds, in the largest unit that fits. */
export const duration = (seconds) => new Said(() => span(seconds));

/** Chooses a language, and tells everything again in it. */
async function speak(tag) {
  const answer = await fetch(new URL(`${tag}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`there are no messages in ${tag}`);
  ({ words, sentences, kinds } = await answer.json());
  language = tag;
  locale = navigator.languages.find((liked) => liked.startsWith(tag)) ?? tag;
  page.lang = tag;
  retell();
}

/** Speaks a language from now on, also when the page is opened again: the server is told by a cookie. */
export async function choose(tag) {
  await speak(tag);
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `consign-language=${tag}; Path=${page.dataset.root}/; Max-Age=31536000; SameSite=Lax${secure}`;
}

/** Whose texts change with the language: text nodes, and elements with such attributes. */
const said = new WeakMap();

/** Has a node tell a text, or an attribute of an element. */
export function tell(node, text, attribute = '') {
  if (!said.has(node)) said.set(node, new Map());
  said.get(node).set(attribute, text);
  if (attribute) node.setAttribute(attribute, text);
  else node.data = text;
}

/** Tells all that is in an element again: in the language that was chosen while it was not in the page. */
export function retell(root = page) {
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = words[node.dataset.t];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (const [attribute, text] of said.get(walker.currentNode) ?? []) {
      if (text instanceof Said) tell(walker.currentNode, text, attribute);
    }
  }
}

function fill(text, args) {
  if (typeof text === 'object') text = text[new Intl.PluralRules(language).select(args.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (all, name) => {
    const value = args[name] ?? all;
    return typeof value === 'number' ? number(value) : value;
  });
}

function meaning(text) {
  if (sentences[text]) return sentences[text];
  for (const [pattern, means] of Object.entries(sentences)) {
    if (!pattern.includes('{')) continue;
    const parts = pattern.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const found = new RegExp(`^${parts.join('(.+)')}$`).exec(text);
    if (!found) continue;
    const names = [...pattern.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const values = names.map((name, at) => [name, name === 'bytes' ? bytes(found[at + 1]) : found[at + 1]]);
    return fill(means, Object.fromEntries(values));
  }
  return text;
}

function dates(style) {
  return new Intl.DateTimeFormat(locale, style);
}

function size(n) {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
  let at = 0;
  for (; n >= 999.5 && at < units.length - 1; at++) n /= 1000;
  const digits = at === 0 ? {} : { maximumSignificantDigits: 3 };
  const unitDisplay = at === 0 ? 'long' : 'short';
  return new Intl.NumberFormat(locale, { style: 'unit', unit: units[at], unitDisplay, ...digits }).format(n);
}

function span(seconds) {
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? units[3];
  const amount = Math.max(1, Math.round(seconds / length));
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(amount);
}

await speak(page.lang);
