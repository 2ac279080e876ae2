import { contentsPage } from './contents-page.js';
import { decisionsPage } from './decisions-page.js';
import { errorsPage } from './errors-page.js';
import { machinesPage } from './machines-page.js';
import { optionsPage, postgresOptionsPage } from './options-page.js';

/** The pages that are made from the sources, by their paths. The list of contents comes last: it reads the others. */
export const PAGES: Readonly<Record<string, () => Promise<string>>> = {
  'docs/decisions/README.md': decisionsPage,
  'docs/reference/machines.md': machinesPage,
  'docs/reference/errors.md': errorsPage,
  'docs/reference/options.md': optionsPage,
  'docs/reference/options-postgres.md': postgresOptionsPage,
  'docs/README.md': contentsPage,
};
