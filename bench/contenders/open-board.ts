import { type ChildProcess, spawn } from 'node:child_process';
import { request } from 'node:http';

const COMMAND = 'libs/aggregate-transport/dist/esm/cli/main.js';

/** A board in a process of its own, with one page open. */
export class OpenBoard {
  private constructor(
    private readonly child: ChildProcess,
    private readonly url: string,
  ) {}

  static start(server: string): Promise<OpenBoard> {
    const child = spawn(process.execPath, [COMMAND, 'board', '--port', '0', '--server', server]);
    return new Promise((resolve, reject) => {
      let said = '';
      const hear = (chunk: Buffer): void => {
        said += chunk.toString();
        const [url] = /http:\S+/.exec(said) ?? [];
        if (url !== undefined) resolve(new OpenBoard(child, url));
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', () => reject(new Error(`expected a board, found its end: ${said}`)));
    });
  }

  /** Keeps a page open. Resolves with how long its first data took, in milliseconds, page and script included. */
  async open(view: string): Promise<number> {
    const startedAt = performance.now();
    const page = await (await fetch(this.url)).text();
    const files = [...page.matchAll(/(?:src|href)="(assets[^"]+)"/g)].map(([, path]) => path ?? '');
    await Promise.all(files.map(async (path) => (await fetch(new URL(path, this.url))).text()));
    await this.#firstView(view);
    return performance.now() - startedAt;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
  }

  #firstView(view: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const asked = request(new URL(`live${view}`, this.url), (response) => {
        response.on('error', () => undefined);
        response.on('data', (chunk: Buffer) => {
          if (chunk.includes('event: view')) resolve();
        });
      });
      // The end of the board ends the stream, too.
      asked.on('error', reject);
      asked.end();
    });
  }
}
