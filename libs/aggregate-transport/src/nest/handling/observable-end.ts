import type { Observable } from 'rxjs';

/** Subscribes once. Settles when the Observable has completed, or with its error. */
export function whenComplete(stream: Observable<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.subscribe({ complete: resolve, error: reject });
  });
}
