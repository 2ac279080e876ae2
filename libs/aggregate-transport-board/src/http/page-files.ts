/** A file of the front end. */
export interface PageFile {
  /** Its name with a hash of its content. */
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

/**
 * The front end. The build writes its files into the compiled form of this module, so that they are there in every
 * bundle and module format; see build-pages.js. The source has none.
 */
export const PAGE_FILES: readonly PageFile[] = [];
