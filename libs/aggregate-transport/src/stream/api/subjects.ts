import type { StreamInfo } from './api-types.js';
import { API_ERROR, type JetStreamApi } from './jetstream-api.js';

/** The server gives up to 100 000 subjects a page. */
const MAX_PAGES = 100;

/**
 * The subjects of a stream that match a filter, with the number of messages on each. They come page by page, of which
 * there are at most 100. None if there is no such stream.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function subjectsOf(
  api: JetStreamApi,
  stream: string,
  filter: string,
  timeoutMs?: number,
): Promise<Map<string, number>> {
  const subjects = new Map<string, number>();
  // Subjects that appear or go between two pages move the others, so the place goes by what the server sent.
  for (let offset = 0, page = 0; page < MAX_PAGES; page++) {
    const info = await api.find<StreamInfo>(
      `STREAM.INFO.${stream}`,
      { subjects_filter: filter, offset },
      API_ERROR.streamNotFound,
      timeoutMs,
    );
    const found = Object.entries(info?.state.subjects ?? {});
    for (const [subject, count] of found) subjects.set(subject, count);
    offset += found.length;
    if (found.length === 0 || offset >= (info?.total ?? 0)) break;
  }
  return subjects;
}
