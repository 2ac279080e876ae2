import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { CreateError } from './create-error.js';
import type { TextFile } from './template.js';

/** All files below a folder, with `/` in their paths. */
export async function readFolder(folder: string): Promise<TextFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.toSorted().map(async (file) => ({
      path: relative(folder, file).split(sep).join('/'),
      text: await readFile(file, 'utf8'),
    })),
  );
}

/**
 * Writes the files into `folder`, which must be new or empty: nothing of yours is overwritten.
 * @throws CreateError if something is in it
 */
export async function writeService(folder: string, files: readonly TextFile[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const found = await readdir(folder);
  if (found.length > 0)
    throw new CreateError(
      `expected an empty folder, found ${String(found.length)} entries in ${folder}, such as ${found[0] ?? ''}; ` +
        'choose another name, or empty it',
    );
  for (const { path, text } of files) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    // `wx` refuses a file that another process made meanwhile.
    await writeFile(file, text, { flag: 'wx' });
  }
}
