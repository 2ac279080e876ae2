import { Session } from 'node:inspector';

const EVERY_BYTES = 4_096;

interface Node {
  readonly selfSize: number;
  readonly children: readonly Node[];
}

/** Counts the bytes that this process allocates on its JavaScript heap, those collected meanwhile included: by samples. */
export class AllocationMeter {
  readonly #session = new Session();

  begin(): void {
    this.#session.connect();
    this.#session.post('HeapProfiler.startSampling', {
      samplingInterval: EVERY_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    } as object);
  }

  /** The bytes since the beginning. */
  end(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#session.post('HeapProfiler.stopSampling', (error, { profile } = {} as never) => {
        this.#session.disconnect();
        if (error === null) resolve(bytesIn(profile.head));
        else reject(error);
      });
    });
  }
}

function bytesIn({ selfSize, children }: Node): number {
  return children.reduce((sum, child) => sum + bytesIn(child), selfSize);
}
