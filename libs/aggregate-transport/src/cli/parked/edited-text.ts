import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError } from '../../errors.js';
import { UsageError } from '../command/terminal.js';

/**
 * Lets an operator change a text in the editor that VISUAL or EDITOR names. The file can be read by this user alone. It
 * is removed when the editor has ended.
 * @throws UsageError if there is no editor, or it fails
 */
export async function editedText(text: string): Promise<string> {
  const editor = process.env['VISUAL'] ?? process.env['EDITOR'];
  if (editor === undefined || editor.trim() === '')
    throw new UsageError(
      'expected EDITOR, --file or --payload to say what the letter becomes, found none of them',
    );
  const folder = await mkdtemp(join(tmpdir(), 'aggregate-transport-'));
  try {
    const file = join(folder, 'letter.json');
    await writeFile(file, text, { mode: 0o600 });
    await runEditor(editor, file);
    return await readFile(file, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** EDITOR may hold options, so a shell reads it, as git does. */
function runEditor(editor: string, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    const failed = (found: string): void =>
      reject(
        new UsageError(`expected the editor "${editor}" to end well, found ${found}; nothing was changed`),
      );
    child.once('error', (error) => failed(describeError(error)));
    child.once('exit', (code, signal) => (code === 0 ? resolve() : failed(signal ?? `exit code ${code}`)));
  });
}

/** @throws UsageError */
export async function textOfFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`expected a file that can be read, found ${describeError(error)}`);
  }
}
