import { errorsPage } from './errors-page.js';
import { optionsPage, postgresOptionsPage } from './options-page.js';

/** The pages that are made from the sources, by their paths. */
export const PAGES: Readonly<Record<string, () => Promise<string>>> = {
  'docs/reference/errors.md': errorsPage,
  'docs/reference/options.md': optionsPage,
  'docs/reference/options-postgres.md': postgresOptionsPage,
};
