import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A certificate and its key, as files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority of a test, with what it signed: made by `openssl` in a temporary folder, and never kept. */
export class Certificates {
  #count = 0;

  private constructor(
    private readonly folder: string,
    private readonly own: Certificate,
  ) {}

  static async make(): Promise<Certificates> {
    const folder = await mkdtemp(join(tmpdir(), 'certificates-'));
    const own = { cert: join(folder, 'ca.pem'), key: join(folder, 'ca.key') };
    await openssl(['req', '-x509', ...newKey(own.key), '-out', own.cert, '-subj', '/CN=test authority']);
    return new Certificates(folder, own);
  }

  /** The file that trusts it. */
  get ca(): string {
    return this.own.cert;
  }

  /** Of a server at 127.0.0.1, and of a client of that name. */
  async sign(name: string): Promise<Certificate> {
    const base = join(this.folder, `${name}-${++this.#count}`);
    const [request, extensions] = [`${base}.csr`, `${base}.ext`];
    const signed = { cert: `${base}.pem`, key: `${base}.key` };
    await writeFile(
      extensions,
      'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n',
    );
    await openssl(['req', ...newKey(signed.key), '-out', request, '-subj', `/CN=${name}`]);
    await openssl([
      ...['x509', '-req', '-in', request, '-CA', this.own.cert, '-CAkey', this.own.key],
      ...['-CAcreateserial', '-days', '1', '-extfile', extensions, '-out', signed.cert],
    ]);
    return signed;
  }

  /** A path in its folder. */
  file(name: string): string {
    return join(this.folder, name);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file];
}

async function openssl(args: readonly string[]): Promise<void> {
  await run('openssl', [...args]);
}
