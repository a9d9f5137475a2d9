// The server under test: the real binary, on a port and a folder of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BINARY = process.env.CONSIGN_BIN;

export class Server {
  /** Starts one, with these flags besides where it listens and keeps things. */
  static async start(flags = []) {
    if (!BINARY) throw new Error('CONSIGN_BIN names no binary: run scripts/browser');
    const folder = await mkdtemp(join(tmpdir(), 'consign-browser-'));
    const server = new Server(folder);
    const place = ['--listen', '127.0.0.1:0', '--data', join(folder, 'data')];
    const mail = ['--mail', `folder:${server.mail}`, '--mail-from', 'files@example.org'];
    // Tests sign in more often than people do.
    const all = ['serve', ...place, '--rate-limits', 'off', ...(flags.includes('--mail') ? mail : []), ...flags.filter((flag) => flag !== '--mail')];
    server.process = spawn(BINARY, all, { stdio: ['ignore', 'pipe', 'pipe'] });
    server.ended = once(server.process, 'exit');
    server.process.stderr.on('data', (text) => (server.log += text));
    try {
      server.url = await server.listening();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
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
    throw new Error(`the server did not start:\n${said}${this.log}`);
  }

  /** The mails that were sent, oldest first. */
  async mails() {
    const names = (await readdir(this.mail)).filter((name) => name.endsWith('.eml')).sort();
    return Promise.all(names.map((name) => readFile(join(this.mail, name), 'utf8')));
  }

  async stop() {
    this.process.kill('SIGTERM');
    // Uploads that were left in the middle are not waited for.
    const late = setTimeout(() => this.process.kill('SIGKILL'), 2000);
    await this.ended;
    clearTimeout(late);
    await rm(this.folder, { recursive: true, force: true });
  }
}
