// The HTTP API, for what was there before a scenario begins.

import assert from 'node:assert/strict';

export const passwordOf = (name) => `a long password of ${name}`;
export const emailOf = (name) => `${name}@example.org`;

export class Account {
  constructor(url, name) {
    Object.assign(this, { url, name, password: passwordOf(name) });
  }

  static async signIn(url, name) {
    const account = new Account(url, name);
    const body = { username: name, password: account.password };
    account.token = (await account.call('POST', '/login', body)).access_token;
    return account;
  }

  async call(method, path, body, expected = /^2/) {
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const form = body instanceof FormData;
    if (body && !form) headers['Content-Type'] = 'application/json';
    const answer = await fetch(this.url + path, { method, headers, body: form ? body : body && JSON.stringify(body) });
    const told = await answer.json();
    assert.match(String(answer.status), expected, `${method} ${path}: ${JSON.stringify(told)}`);
    return told;
  }

  /** Adds a client, of whose address it is known then that it is theirs. */
  addClient(name) {
    return this.call('POST', '/register', { username: name, email: emailOf(name), password: passwordOf(name) });
  }

  /** Uploads a document; `query` may have an `audience` and `expires_in`. */
  async upload({ name, mimeType, buffer }, query = {}) {
    const form = new FormData();
    form.append('file', new Blob([buffer], { type: mimeType }), name);
    const asked = new URLSearchParams(query);
    return (await this.call('POST', `/upload?${asked}`, form)).file;
  }

  async files() {
    return (await this.call('GET', '/files')).files;
  }

  /** A link to files, with its `url`. */
  async link(files, properties = {}) {
    return (await this.call('POST', '/links', { files: files.map(({ id }) => id), ...properties })).link;
  }

  async group(name, members = [], retention_days = null) {
    const { group } = await this.call('POST', '/groups', { name, retention_days });
    for (const username of members) await this.call('POST', `/groups/${group.id}/members`, { username });
    return group;
  }
}

/** Registers and signs in; the first operations user of a server may do so freely. */
export async function register(url, name, { operations = false } = {}) {
  const stranger = new Account(url, name);
  await stranger.call('POST', '/register', {
    username: name, email: emailOf(name), password: passwordOf(name), ...(operations && { is_operation_user: true }),
  });
  return Account.signIn(url, name);
}
