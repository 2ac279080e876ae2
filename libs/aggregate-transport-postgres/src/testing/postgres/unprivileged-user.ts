import { readFileSync } from 'node:fs';
import type { RunAs } from './run-command.js';

/** The id that Linux and macOS give to the user without rights. */
const UNPRIVILEGED_ID = 65_534;

/** PostgreSQL refuses to run as root: as whom it runs then. Nothing if this process is not root. */
export function unprivilegedUser(): RunAs {
  if (process.getuid?.() !== 0) return {};
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(passwords());
  if (entry !== null) return { uid: Number(entry[1]), gid: Number(entry[2]) };
  return { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID };
}

function passwords(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
}
