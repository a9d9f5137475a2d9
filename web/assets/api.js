// The HTTP API. A call whose sign-in has expired waits for another one, and is then made again.

const root = `${document.documentElement.dataset.root}/`;

/** Why a call was not done: the API's words, or those of a network that is not there. */
export class Problem extends Error {
  constructor(status, { msg, detail } = {}, retryAfter = null) {
    super(msg);
    this.status = status;
    this.msg = msg;
    this.detail = detail;
    /** Seconds to wait, where the server says so. */
    this.retryAfter = retryAfter;
  }
}

/** What is told when no answer came. */
export const UNREACHABLE = 'No answer came from the server';
/** What is told when somebody did not sign in again. */
export const SIGNED_OUT = 'You are signed out';

let token = null;
let renewal = () => Promise.reject(new Problem(401, { msg: SIGNED_OUT }));

/** With which token calls are made from now on, or null. */
export function authorize(newToken) {
  token = newToken;
}

export const isAuthorized = () => token !== null;

/** What gets another token when one has expired. */
export function renewBy(renew) {
  renewal = renew;
}

/** Waits for another token, unless there is one since `used`. */
export const renew = (used) => (used === token ? renewal() : Promise.resolve());

export const address = (path, query = []) => {
  const pairs = new URLSearchParams(Array.isArray(query) ? query : Object.entries(query));
  return pairs.size ? `${root}${path}?${pairs}` : root + path;
};

/** Authorization with the present token, which is told so that its end can be. */
export const credentials = (used = token) => ({ used, value: `Bearer ${used}` });

/**
 * Makes a call, and gives its answer.
 *
 * `path` begins without a slash, and its segments are encoded; `anonymous` calls carry no token; `key` is an
 * `Idempotency-Key`: the same in each attempt has the call done once. With `once` an expired sign-in is a problem
 * like any other, as it is with a token to make the call `as`, in place of the present one.
 */
export async function call(method, path, { query, body, key, signal, anonymous = false, once = false, as } = {}) {
  for (;;) {
    const { used, value } = credentials(as);
    const headers = { Accept: 'application/json' };
    if (!anonymous && used) headers.Authorization = value;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (key) headers['Idempotency-Key'] = key;
    const text = body === undefined ? undefined : JSON.stringify(body);
    let answer, said;
    try {
      answer = await fetch(address(path, query), { method, headers, body: text, signal, cache: 'no-store' });
      said = await answer.text();
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem(0, { msg: UNREACHABLE });
    }
    if (answer.ok) {
      const told = parsed(said);
      if (told) return told;
      // Whoever says yes in other words is not the server, but between here and it.
      throw new Problem(0, { msg: UNREACHABLE });
    }
    const problem = problemOf(answer.status, said, answer.headers.get('Retry-After'));
    if (anonymous || once || as || !hasExpired(problem)) throw problem;
    await renew(used);
  }
}

/** Whether a call was refused because its token has expired, or there was none. */
export const hasExpired = ({ status, msg }) =>
  status === 401 && ['Invalid or expired token', 'Missing Authorization Header'].includes(msg);

/** What an answer says, or null where it is not the server's own words. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The problem that an answer tells; something between here and the server may have answered in its place. */
export function problemOf(status, text, retryAfter) {
  let told = parsed(text);
  if (!told?.msg) told = { msg: UNREACHABLE, detail: `HTTP ${status}` };
  return new Problem(status, told, retryAfter && Number(retryAfter));
}

/** A new `Idempotency-Key`. */
export function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** One segment of a path. */
export const segment = encodeURIComponent;
