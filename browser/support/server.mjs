// The server under test: the real binary, on a port and a folder of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BINARY = process.env.CONSIGN_BIN;

export class Server {
  /** Starts one, with these flags besides where it listens and keeps things; mail it writes into a folder. */
  static async start(flags = [], sendsMail = false) {
    if (!BINARY) throw new Error('CONSIGN_BIN names no binary: run scripts/browser');
    const folder = await mkdtemp(join(tmpdir(), 'consign-browser-'));
    const server = new Server(folder);
    const mail = ['--mail', `folder:${server.mail}`, '--mail-from', 'files@example.org'];
    server.flags = [...flags, ...(sendsMail ? mail : [])];
    await server.run();
    return server;
  }

  /** Runs, at the same address as before if it ran before. */
  async run() {
    const place = ['--listen', this.url ? new URL(this.url).host : '127.0.0.1:0', '--data', join(this.folder, 'data')];
    // Tests sign in more often than people do.
    const flags = [...place, '--rate-limits', 'off', ...this.flags];
    this.process = spawn(BINARY, ['serve', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = once(this.process, 'exit');
    this.process.stderr.on('data', (text) => (this.log += text));
    try {
      this.url = await this.listening();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  constructor(folder) {
    this.folder = folder;
    this.mail = join(folder, 'mail');
    this.log = '';
  }

  /** Where it listens, as it says in its first line. */
  async listening() {
    let said = '';
    for await (const text of this.process.stdout) {
      said += text;
      const found = /^listening on (\S+)\n/m.exec(said);
      if (!found) continue;
      // What it says later is nobody's concern, but it must not wait to say it.
      this.process.stdout.resume();
      return found[1];
    }
    await this.ended;
    throw new Error(`the server did not start:\n${said}${this.log}`);
  }

  /** The mails that were sent, oldest first. */
  async mails() {
    const names = (await readdir(this.mail)).filter((name) => name.endsWith('.eml')).sort();
    return Promise.all(names.map((name) => readFile(join(this.mail, name), 'utf8')));
  }

  /** Ends, and keeps its data. */
  async end() {
    this.process.kill('SIGTERM');
    // Uploads that are in the middle are not waited for.
    const late = setTimeout(() => this.process.kill('SIGKILL'), 1000);
    await this.ended;
    clearTimeout(late);
  }

  /** Ends, and is forgotten. */
  async stop() {
    await this.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}
